import java.util.*;
import org.apache.flink.util.MathUtils;
import com.google.common.hash.Hashing;
public class Vectors {
  public static void main(String[] a) throws Exception {
    try (var out = new java.io.PrintWriter("flink_key_groups.csv")) {
      out.println("hash,murmur,group_of_128,group_of_32768,group_of_720");
      List<Integer> hs = new ArrayList<>(List.of(0,1,-1,2,3,42,127,128,255,256,65535,65536,Integer.MAX_VALUE,Integer.MIN_VALUE,Integer.MIN_VALUE+1));
      Random r = new Random(7);
      for (int i=0;i<241;i++) hs.add(r.nextInt());
      for (int h : hs) { int m = MathUtils.murmurHash(h); out.println(Integer.toUnsignedString(h)+","+m+","+m%128+","+m%32768+","+m%720); }
    }
    try (var out = new java.io.PrintWriter("murmur3_x86_32.csv")) {
      out.println("bytes,seed,hash");
      Random r = new Random(11);
      for (int n=0;n<=40;n++) for (int seed : new int[]{0, 1, 0x9747b28c}) {
        byte[] b = new byte[n]; r.nextBytes(b);
        out.println(HexFormat.of().formatHex(b)+","+Integer.toUnsignedString(seed)+","+Integer.toUnsignedString(Hashing.murmur3_32_fixed(seed).hashBytes(b).asInt()));
      }
    }
  }
}
