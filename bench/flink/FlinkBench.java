// Apache Flink 2.x single-machine baseline. One JVM runs one workload `reps` times on a MiniCluster
// and prints one RESULT line per repetition (the first repetition is the JIT warm-up).
// Usage: FlinkBench <workload> key=value...   (bench/flink/run starts it)

import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.*;
import org.apache.flink.api.common.state.*;
import org.apache.flink.api.common.typeinfo.*;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.connector.source.*;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource.NumberSequenceSplit;
import org.apache.flink.configuration.*;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.execution.CheckpointType;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.runtime.checkpoint.*;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.*;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.datastream.*;
import org.apache.flink.streaming.api.environment.*;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.async.*;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.*;
import org.apache.flink.streaming.api.windowing.assigners.*;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.*;
import org.apache.flink.table.data.*;
import org.apache.flink.table.factories.*;
import org.apache.flink.util.Collector;

public class FlinkBench {

  // ------------------------------------------------------------------ generator (deterministic)
  public static final class Gen {
    static final long GAMMA = 0x9E3779B97F4A7C15L, SEED = 0x5EEDL, BASE_TS = 1_700_000_000_000L;
    static final String[] CHANNEL = new String[68], URL = new String[1024], EXTRA = new String[16], DESC = new String[64],
        ITEM = new String[1024], NAME = new String[99], EMAIL = new String[64], CARD = new String[64],
        CITY = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"},
        STATE = {"AZ", "CA", "ID", "OR", "WA", "WY"},
        FIRST = {"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"},
        LAST = {"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
    static {
      String[] hot = {"Google", "Facebook", "Baidu", "Apple"};
      for (int i = 0; i < 68; i++) CHANNEL[i] = i < 4 ? hot[i] : "channel-" + (i - 4);
      for (int i = 0; i < 1024; i++) { URL[i] = "https://www.nexmark.com/item.htm?query=1&channel_id=" + i; ITEM[i] = "item-" + i; }
      for (int i = 0; i < 16; i++) EXTRA[i] = letters(32, i * 7, 3);
      for (int i = 0; i < 64; i++) { DESC[i] = letters(100, i * 11, 5); EMAIL[i] = "user" + i + "@example.com"; CARD[i] = "1234 5678 9012 " + (1000 + i); }
      for (int i = 0; i < 99; i++) NAME[i] = FIRST[i / 9] + " " + LAST[i % 9];
    }
    static String letters(int n, int a, int b) { StringBuilder s = new StringBuilder(); for (int j = 0; j < n; j++) s.append((char) ('a' + (a + j * b) % 26)); return s.toString(); }
    static long mix(long z) { z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L; z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL; return z ^ (z >>> 31); }
    static long h0(long n) { return mix(n * GAMMA + SEED); }
    static long next(long h) { return mix(h + GAMMA); }
    static long hi(long h, long m) { return ((h >>> 32) * m) >>> 32; }          // 0..m-1 from the upper 32 bits, m < 2^31
    static long lo(long h, long m) { return ((h & 0xffffffffL) * m) >>> 32; }   // 0..m-1 from the lower 32 bits
    static int kind(long n) { int off = (int) (n % 50); return off == 0 ? 0 : off < 4 ? 1 : 2; }
    static long ts(long n) { return BASE_TS + n / 100; }

    static Bid bid(long n, long keys) {
      long e = n / 50, h0 = h0(n), h1 = next(h0), h2 = next(h1), maxA = 3 * e + 2;
      Bid b = new Bid();
      b.auction = keys > 0 ? hi(h0, keys) : (h0 & 1) == 0 ? (maxA / 100) * 100 : maxA - hi(h0, Math.min(maxA + 1, 100));
      b.bidder = (h1 & 3) != 0 ? (e / 100) * 100 : e - hi(h1, Math.min(e + 1, 1000));
      b.price = 100 + hi(h2, 1_000_000);
      b.channel = CHANNEL[(int) ((h2 & 1) == 0 ? (h2 >>> 1) & 3 : 4 + ((h2 >>> 3) & 63))];
      b.url = URL[(int) ((h2 >>> 9) & 1023)];
      b.extra = EXTRA[(int) ((h2 >>> 19) & 15)];
      b.dateTime = ts(n);
      return b;
    }
    static Auction auction(long n) {
      long e = n / 50, h0 = h0(n), h1 = next(h0), h2 = next(h1);
      Auction a = new Auction();
      a.id = 3 * e + (n % 50) - 1;
      a.seller = (h0 & 3) != 0 ? (e / 100) * 100 : e - hi(h0, Math.min(e + 1, 1000));
      a.category = 10 + hi(h1, 5);
      a.initialBid = 100 + lo(h1, 1_000_000);
      a.reserve = a.initialBid + hi(h2, 1_000_000);
      a.dateTime = ts(n);
      a.expires = a.dateTime + 10_000 + lo(h2, 10_000);
      a.itemName = ITEM[(int) ((h0 >>> 2) & 1023)];
      a.description = DESC[(int) ((h0 >>> 12) & 63)];
      a.extra = EXTRA[(int) ((h0 >>> 19) & 15)];
      return a;
    }
    static Person person(long n) {
      long e = n / 50, h0 = h0(n), h1 = next(h0);
      Person p = new Person();
      p.id = e;
      p.name = NAME[(int) hi(h0, 99)];
      p.email = EMAIL[(int) (h0 & 63)];
      p.creditCard = CARD[(int) ((h0 >>> 6) & 63)];
      p.city = CITY[(int) lo(h1, 10)];
      p.state = STATE[(int) hi(h1, 6)];
      p.dateTime = ts(n);
      p.extra = EXTRA[(int) ((h0 >>> 19) & 15)];
      return p;
    }
    static Event event(long n, long keys) {
      Event ev = new Event();
      ev.kind = kind(n);
      if (ev.kind == 2) ev.bid = bid(n, keys); else if (ev.kind == 1) ev.auction = auction(n); else ev.person = person(n);
      return ev;
    }
    // the same stream as Flink SQL internal rows (strings are shared, already in UTF-8 bytes)
    static final Map<String, StringData> S = new IdentityHashMap<>();
    static StringData s(String x) { return S.get(x); }
    static StringData[] utf8(String[] pool) { StringData[] r = new StringData[pool.length]; for (int i = 0; i < r.length; i++) r[i] = org.apache.flink.table.data.binary.BinaryStringData.fromBytes(pool[i].getBytes(StandardCharsets.UTF_8)); return r; }
    static final StringData[] SCHANNEL = utf8(CHANNEL), SURL = utf8(URL), SEXTRA = utf8(EXTRA);
    static {
      for (String[] pool : new String[][] {CHANNEL, URL, EXTRA, DESC, ITEM, NAME, EMAIL, CARD, CITY, STATE})
        for (String x : pool) S.put(x, org.apache.flink.table.data.binary.BinaryStringData.fromBytes(x.getBytes(StandardCharsets.UTF_8)));
    }
    static RowData row(long n, long keys) {
      int k = kind(n);
      GenericRowData r = new GenericRowData(4);
      r.setField(0, k);
      if (k == 2) {
        Bid b = bid(n, keys); long h2 = next(next(h0(n)));
        r.setField(3, GenericRowData.of(b.auction, b.bidder, b.price, SCHANNEL[(int) ((h2 & 1) == 0 ? (h2 >>> 1) & 3 : 4 + ((h2 >>> 3) & 63))], SURL[(int) ((h2 >>> 9) & 1023)], TimestampData.fromEpochMillis(b.dateTime), SEXTRA[(int) ((h2 >>> 19) & 15)]));
      }
      else if (k == 1) { Auction a = auction(n); r.setField(2, GenericRowData.of(a.id, s(a.itemName), s(a.description), a.initialBid, a.reserve, TimestampData.fromEpochMillis(a.dateTime), TimestampData.fromEpochMillis(a.expires), a.seller, a.category, s(a.extra))); }
      else { Person p = person(n); r.setField(1, GenericRowData.of(p.id, s(p.name), s(p.email), s(p.creditCard), s(p.city), s(p.state), TimestampData.fromEpochMillis(p.dateTime), s(p.extra))); }
      return r;
    }
  }

  // ------------------------------------------------------------------ POJOs
  public static class Person { public long id; public String name, email, creditCard, city, state; public long dateTime; public String extra; public Person() {} }
  public static class Auction { public long id; public String itemName, description; public long initialBid, reserve, dateTime, expires, seller, category; public String extra; public Auction() {} }
  public static class Bid { public long auction, bidder, price; public String channel, url; public long dateTime; public String extra; public Bid() {} }
  public static class Event { public int kind; public Person person; public Auction auction; public Bid bid; public Event() {} }
  public static class AuctionPrice { public long auction, price; public AuctionPrice() {} public AuctionPrice(long a, long p) { auction = a; price = p; } }
  public static class Stat { public long auction, count, sum, max; public Stat() {} }
  public static class WinStat { public long key, end, count, sum; public WinStat() {} }
  public static class Joined { public long a, b; public String name, x; public Joined() {} }

  // ------------------------------------------------------------------ source
  public interface SeqGen<T> extends java.io.Serializable { T gen(long n) throws Exception; }

  /** Checkpointable bounded source: P splits; split p yields n = p, p+P, p+2P, ... ; up to `batch` records per poll. */
  public static class SeqSource<T> implements Source<T, NumberSequenceSplit, Collection<NumberSequenceSplit>> {
    final long count; final int p, batch; final SeqGen<T> gen; final boolean gated;
    SeqSource(long count, int p, int batch, SeqGen<T> gen, boolean gated) { this.count = count; this.p = p; this.batch = batch; this.gen = gen; this.gated = gated; }
    NumberSequenceSource d() { return new NumberSequenceSource(0, count - 1); }
    public Boundedness getBoundedness() { return Boundedness.BOUNDED; }
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> createEnumerator(SplitEnumeratorContext<NumberSequenceSplit> c) { return d().createEnumerator(c); }
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> restoreEnumerator(SplitEnumeratorContext<NumberSequenceSplit> c, Collection<NumberSequenceSplit> s) { return d().restoreEnumerator(c, s); }
    public SimpleVersionedSerializer<NumberSequenceSplit> getSplitSerializer() { return d().getSplitSerializer(); }
    public SimpleVersionedSerializer<Collection<NumberSequenceSplit>> getEnumeratorCheckpointSerializer() { return d().getEnumeratorCheckpointSerializer(); }
    public SourceReader<T, NumberSequenceSplit> createReader(SourceReaderContext ctx) { return new Reader<>(this, ctx); }
  }
  static volatile long LIMIT = Long.MAX_VALUE;                       // gate used by w7: sequence numbers >= LIMIT wait
  static volatile CompletableFuture<Void> GATE = new CompletableFuture<>();
  static void gate(long limit) { LIMIT = limit; CompletableFuture<Void> g = GATE; GATE = new CompletableFuture<>(); g.complete(null); }
  static final AtomicLong FIRST = new AtomicLong(Long.MAX_VALUE);
  static void min(AtomicLong a, long v) { a.accumulateAndGet(v, Math::min); }

  static class Reader<T> implements SourceReader<T, NumberSequenceSplit> {
    final SeqSource<T> s; final SourceReaderContext ctx; final long k;
    final ArrayDeque<NumberSequenceSplit> rest = new ArrayDeque<>();
    NumberSequenceSplit cur; long v, to, n; boolean noMore;
    CompletableFuture<Void> avail = new CompletableFuture<>();
    Reader(SeqSource<T> s, SourceReaderContext ctx) { this.s = s; this.ctx = ctx; this.k = s.count / s.p; }
    public void start() { if (rest.isEmpty() && cur == null) ctx.sendSplitRequest(); min(FIRST, System.nanoTime()); }
    public InputStatus pollNext(ReaderOutput<T> out) throws Exception {
      if (cur == null) {
        cur = rest.poll();
        if (cur == null) {
          if (noMore) return InputStatus.END_OF_INPUT;
          avail = new CompletableFuture<>();
          return InputStatus.NOTHING_AVAILABLE;
        }
        v = cur.from(); to = cur.to(); n = (v % k) * s.p + v / k;
      }
      int lim = (int) Math.min(s.batch, to - v + 1);
      for (int i = 0; i < lim; i++) {
        if (s.gated && n >= LIMIT) return waitGate();
        out.collect(s.gen.gen(n), Gen.BASE_TS + n / 100);
        v++; n += s.p;
      }
      if (v > to) { cur = null; if (!noMore && rest.isEmpty()) ctx.sendSplitRequest(); }
      return InputStatus.MORE_AVAILABLE;
    }
    InputStatus waitGate() { CompletableFuture<Void> g = GATE; if (n < LIMIT) return InputStatus.MORE_AVAILABLE; avail = g; return InputStatus.NOTHING_AVAILABLE; }
    public List<NumberSequenceSplit> snapshotState(long id) { List<NumberSequenceSplit> l = new ArrayList<>(rest); if (cur != null) l.add(0, new NumberSequenceSplit(cur.splitId(), v, to)); return l; }
    public CompletableFuture<Void> isAvailable() { return avail; }
    public void addSplits(List<NumberSequenceSplit> l) { rest.addAll(l); avail.complete(null); }
    public void notifyNoMoreSplits() { noMore = true; avail.complete(null); }
    public void close() {}
  }
  static class DgGen<T> implements GeneratorFunction<Long, T> {
    final long k; final int p; final SeqGen<T> g;
    DgGen(long count, int p, SeqGen<T> g) { k = count / p; this.p = p; this.g = g; }
    public void open(SourceReaderContext c) { min(FIRST, System.nanoTime()); }
    public T map(Long v) throws Exception { return g.gen(p == 1 ? v : (v % k) * p + v / k); }
  }

  // ------------------------------------------------------------------ sink (discards; counts; checksums)
  static final AtomicLong OUT = new AtomicLong(), SUM = new AtomicLong();
  public interface ToLong<T> extends java.io.Serializable { long of(T t); }
  public static class CountSink<T> implements Sink<T> {
    final ToLong<T> f; CountSink(ToLong<T> f) { this.f = f; }
    public SinkWriter<T> createWriter(WriterInitContext c) {
      return new SinkWriter<T>() {
        long n, s;
        public void write(T t, Context c) { n++; s += f.of(t); }
        public void flush(boolean end) { OUT.addAndGet(n); SUM.addAndGet(s); n = 0; s = 0; }
        public void close() { flush(true); }
      };
    }
  }

  // ------------------------------------------------------------------ args
  static Map<String, String> A = new HashMap<>();
  static String arg(String k, String d) { return A.getOrDefault(k, d); }
  static long num(String k, long d) { return A.containsKey(k) ? Long.parseLong(A.get(k).replace("_", "")) : d; }
  static int P; static long N, KEYS; static boolean REUSE;
  static MiniCluster MC;

  static <T> DataStream<T> source(StreamExecutionEnvironment env, SeqGen<T> g, TypeInformation<T> t, boolean eventTime) {
    WatermarkStrategy<T> wm = eventTime ? WatermarkStrategy.<T>forMonotonousTimestamps() : WatermarkStrategy.noWatermarks();
    if (arg("source", "batch").equals("datagen")) return env.fromSource(new DataGeneratorSource<>(new DgGen<>(N, P, g), N, t), wm, "datagen", t);
    return env.fromSource(new SeqSource<>(N, P, (int) num("batch", 64), g, A.containsKey("gated")), wm, "seq", t);
  }
  static DataStream<Event> events(StreamExecutionEnvironment env, boolean et) { final long k = KEYS; return source(env, n -> Gen.event(n, k), TypeInformation.of(Event.class), et); }
  public static class BidOnly implements FlatMapFunction<Event, Bid> { public void flatMap(Event e, Collector<Bid> o) { if (e.kind == 2) o.collect(e.bid); } }
  static DataStream<Bid> bids(StreamExecutionEnvironment env, boolean et) { return events(env, et).flatMap(new BidOnly()).returns(Bid.class); }

  // ------------------------------------------------------------------ operators
  public static class Q1 implements MapFunction<Bid, Bid> {
    public Bid map(Bid b) { Bid r = new Bid(); r.auction = b.auction; r.bidder = b.bidder; r.price = b.price * 908 / 1000; r.channel = b.channel; r.url = b.url; r.dateTime = b.dateTime; r.extra = b.extra; return r; }
  }
  public static class Agg extends KeyedProcessFunction<Long, Bid, Stat> {
    transient ValueState<Stat> st;
    public void open(OpenContext c) { st = getRuntimeContext().getState(new ValueStateDescriptor<>("s", TypeInformation.of(Stat.class))); }
    public void processElement(Bid b, Context c, Collector<Stat> o) throws Exception {
      Stat s = st.value();
      if (s == null) { s = new Stat(); s.auction = b.auction; }
      s.count++; s.sum += b.price; if (b.price > s.max) s.max = b.price;
      st.update(s);
      o.collect(s);
    }
  }
  public static class AggLean extends KeyedProcessFunction<Long, AuctionPrice, Stat> {
    transient ValueState<Stat> st;
    public void open(OpenContext c) { st = getRuntimeContext().getState(new ValueStateDescriptor<>("s", TypeInformation.of(Stat.class))); }
    public void processElement(AuctionPrice b, Context c, Collector<Stat> o) throws Exception {
      Stat s = st.value();
      if (s == null) { s = new Stat(); s.auction = b.auction; }
      s.count++; s.sum += b.price; if (b.price > s.max) s.max = b.price;
      st.update(s);
      o.collect(s);
    }
  }
  public static class WinAgg implements AggregateFunction<Bid, WinStat, WinStat> {
    public WinStat createAccumulator() { return new WinStat(); }
    public WinStat add(Bid b, WinStat s) { s.count++; s.sum += b.price; return s; }
    public WinStat getResult(WinStat s) { return s; }
    public WinStat merge(WinStat a, WinStat b) { a.count += b.count; a.sum += b.sum; return a; }
  }
  public static class WinOut extends ProcessWindowFunction<WinStat, WinStat, Long, TimeWindow> {
    public void process(Long k, Context c, Iterable<WinStat> it, Collector<WinStat> o) { WinStat s = it.iterator().next(); WinStat r = new WinStat(); r.key = k; r.end = c.window().getEnd(); r.count = s.count; r.sum = s.sum; o.collect(r); }
  }
  public static class MaxWin implements ReduceFunction<WinStat> {
    public WinStat reduce(WinStat a, WinStat b) { return a.count > b.count || a.count == b.count && a.key <= b.key ? a : b; }
  }
  public static class Q3 extends KeyedCoProcessFunction<Long, Person, Auction, Joined> {
    transient ValueState<Person> person; transient ListState<Auction> pending;
    public void open(OpenContext c) {
      person = getRuntimeContext().getState(new ValueStateDescriptor<>("p", TypeInformation.of(Person.class)));
      pending = getRuntimeContext().getListState(new ListStateDescriptor<>("a", TypeInformation.of(Auction.class)));
    }
    Joined j(Person p, Auction a) { Joined r = new Joined(); r.a = p.id; r.b = a.id; r.name = p.name; r.x = p.city; return r; }
    public void processElement1(Person p, Context c, Collector<Joined> o) throws Exception { person.update(p); for (Auction a : pending.get()) o.collect(j(p, a)); pending.clear(); }
    public void processElement2(Auction a, Context c, Collector<Joined> o) throws Exception { Person p = person.value(); if (p != null) o.collect(j(p, a)); else pending.add(a); }
  }
  public static class AsyncLookup extends RichAsyncFunction<Bid, AuctionPrice> {
    final long latencyMs; final boolean fifo; transient ScheduledExecutorService ex; transient ConcurrentLinkedQueue<Object[]> q; transient volatile boolean stop;
    AsyncLookup(long l, boolean fifo) { latencyMs = l; this.fifo = fifo; }
    public void open(OpenContext c) {
      if (!fifo) { ex = Executors.newScheduledThreadPool(1); return; }
      q = new ConcurrentLinkedQueue<>();   // constant latency, so a FIFO drained every 100 us is an exact timer wheel
      Thread t = new Thread(() -> {
        while (!stop) { Object[] h; long now = System.nanoTime(); while ((h = q.peek()) != null && (Long) h[0] <= now) { q.poll(); done((Bid) h[1], (ResultFuture<AuctionPrice>) h[2]); } java.util.concurrent.locks.LockSupport.parkNanos(100_000); }
      });
      t.setDaemon(true); t.start();
    }
    static void done(Bid b, ResultFuture<AuctionPrice> f) { f.complete(Collections.singletonList(new AuctionPrice(b.auction, b.price + 1))); }
    public void asyncInvoke(Bid b, ResultFuture<AuctionPrice> f) {
      if (fifo) q.add(new Object[] {System.nanoTime() + latencyMs * 1_000_000, b, f});
      else ex.schedule(() -> done(b, f), latencyMs, TimeUnit.MILLISECONDS);
    }
    public void close() { stop = true; if (ex != null) ex.shutdownNow(); }
  }
  // JSON
  static byte[][] LINES;
  static final ObjectMapper JM = new ObjectMapper();
  static final JsonFactory JF = new JsonFactory();
  static Bid parse(byte[] l, int from, boolean streaming) throws IOException {
    if (!streaming) return JM.readValue(l, Bid.class);
    Bid b = new Bid();
    try (JsonParser p = JF.createParser(l)) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String f = p.currentName(); p.nextToken();
        switch (f) {
          case "auction": b.auction = p.getLongValue(); break;
          case "bidder": b.bidder = p.getLongValue(); break;
          case "price": b.price = p.getLongValue(); break;
          case "channel": b.channel = p.getText(); break;
          case "url": b.url = p.getText(); break;
          case "dateTime": b.dateTime = p.getLongValue(); break;
          case "extra": b.extra = p.getText(); break;
          default: p.skipChildren();
        }
      }
    }
    return b;
  }
  static byte[] write(Bid b, boolean streaming) throws IOException {
    if (!streaming) return JM.writeValueAsBytes(b);
    org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.util.ByteArrayBuilder bb = new org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.util.ByteArrayBuilder(256);
    try (JsonGenerator g = JF.createGenerator(bb)) {
      g.writeStartObject();
      g.writeNumberField("auction", b.auction); g.writeNumberField("bidder", b.bidder); g.writeNumberField("price", b.price);
      g.writeStringField("channel", b.channel); g.writeStringField("url", b.url); g.writeNumberField("dateTime", b.dateTime); g.writeStringField("extra", b.extra);
      g.writeEndObject();
    }
    return bb.toByteArray();
  }
  static void makeLines() throws IOException {
    int l = (int) num("ring", 1_000_000);
    LINES = new byte[l][];
    for (int i = 0; i < l; i++) LINES[i] = write(Gen.bid(i, KEYS), true);
  }
  // w7
  static final int W7V = 100;
  static long w7key(long n, long load) { return n < load ? (n * 2654435761L) % load : Gen.hi(Gen.h0(n), load); }
  public static class Big extends KeyedProcessFunction<Long, Long, Long> {
    transient ValueState<byte[]> st;
    public void open(OpenContext c) { st = getRuntimeContext().getState(new ValueStateDescriptor<>("b", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)); }
    public void processElement(Long k, Context c, Collector<Long> o) throws Exception {
      byte[] v = st.value();
      if (v == null) { v = new byte[W7V]; long h = Gen.mix(k + 1); for (int i = 8; i < W7V; i += 4) { h = Gen.next(h); v[i] = (byte) h; v[i + 1] = (byte) (h >>> 8); v[i + 2] = (byte) (h >>> 16); v[i + 3] = (byte) (h >>> 24); } }
      v[0]++;
      st.update(v);
      o.collect(k);
      DONE.incrementAndGet();
    }
  }
  static final AtomicLong DONE = new AtomicLong();
  // w8
  static volatile long T_FAIL, T_FIRST, T_CAUGHT; static volatile int CKPTS; static long PROCESSED_AT_FAIL; static final AtomicLong SEEN2 = new AtomicLong(), PROC = new AtomicLong(); static long[] LAST;
  public static class AggFail extends Agg implements CheckpointListener {
    long seen; final long failAt; AggFail(long f) { failAt = f; }
    public void processElement(Bid b, Context c, Collector<Stat> o) throws Exception {
      if (T_FAIL == 0 && ++seen > failAt && CKPTS >= 2 && getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0) {
        PROCESSED_AT_FAIL = PROC.get(); T_FAIL = System.nanoTime(); throw new RuntimeException("injected failure");
      }
      super.processElement(b, c, o);
    }
    public void notifyCheckpointComplete(long id) { CKPTS++; }
    public void notifyCheckpointAborted(long id) {}
  }
  public static class LastSink implements Sink<Stat> {
    public SinkWriter<Stat> createWriter(WriterInitContext c) {
      final boolean second = c.getTaskInfo().getAttemptNumber() > 0;
      return new SinkWriter<Stat>() {
        public void write(Stat s, Context x) {
          if (second) { if (T_FIRST == 0) T_FIRST = System.nanoTime(); }
          LAST[(int) s.auction] = s.count;
        }
        public void flush(boolean e) {} public void close() {}
      };
    }
  }

  // ------------------------------------------------------------------ workloads
  static long W = 10_000;
  static final Map<String, String> SQL = new LinkedHashMap<>();
  static {
    SQL.put("sql_q1", "INSERT INTO s SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid|auction BIGINT, bidder BIGINT, price DECIMAL(23,3), `dateTime` TIMESTAMP(3), extra VARCHAR");
    SQL.put("sql_q2", "INSERT INTO s SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0|auction BIGINT, price BIGINT");
    SQL.put("sql_q5", "INSERT INTO s SELECT AuctionBids.auction, AuctionBids.num FROM (SELECT auction, count(*) AS num, window_start AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) AS AuctionBids JOIN (SELECT max(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime FROM (SELECT count(*) AS num, window_start AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) AS CountBids GROUP BY CountBids.starttime, CountBids.endtime) AS MaxBids ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime AND AuctionBids.num >= MaxBids.maxn|auction BIGINT, num BIGINT");
    SQL.put("sql_q8", "INSERT INTO s SELECT P.id, P.name, P.starttime FROM (SELECT id, name, window_start AS starttime, window_end AS endtime FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY id, name, window_start, window_end) P JOIN (SELECT seller, window_start AS starttime, window_end AS endtime FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY seller, window_start, window_end) A ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime|id BIGINT, name VARCHAR, stime TIMESTAMP(3)");
    SQL.put("sql_retract", "INSERT INTO s SELECT cnt, COUNT(*) AS auctions, SUM(price) AS total FROM (SELECT auction, COUNT(*) AS cnt, SUM(price) AS price FROM bid GROUP BY auction) GROUP BY cnt|cnt BIGINT, auctions BIGINT, total BIGINT");
    SQL.put("sql_agg", "INSERT INTO s SELECT auction, COUNT(*) AS cnt, SUM(price) AS total, MAX(price) AS mx FROM bid GROUP BY auction|auction BIGINT, cnt BIGINT, total BIGINT, mx BIGINT");
  }
  static JobClient sql(StreamExecutionEnvironment env, String w) {
    StreamTableEnvironment t = StreamTableEnvironment.create(env);
    if (arg("minibatch", "off").equals("on")) { t.getConfig().set("table.exec.mini-batch.enabled", "true"); t.getConfig().set("table.exec.mini-batch.allow-latency", "2 s"); t.getConfig().set("table.exec.mini-batch.size", "50000"); }
    t.executeSql("CREATE TABLE datagen (event_type INT,"
        + " person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,"
        + " auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR>,"
        + " bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,"
        + " `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,"
        + " WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH ('connector' = 'seqnexmark', 'n' = '" + N + "', 'p' = '" + P + "', 'keys' = '" + KEYS + "')");
    t.executeSql("CREATE VIEW person AS SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, `dateTime`, person.extra FROM datagen WHERE event_type = 0");
    t.executeSql("CREATE VIEW auction AS SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, `dateTime`, auction.expires, auction.seller, auction.category, auction.extra FROM datagen WHERE event_type = 1");
    t.executeSql("CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM datagen WHERE event_type = 2");
    String[] q = SQL.get(w).split("\\|");
    t.executeSql("CREATE TABLE s (" + q[1] + ") WITH ('connector' = 'blackhole')");
    TableResult r = t.executeSql(q[0]);
    return r.getJobClient().get();
  }

  static JobClient build(StreamExecutionEnvironment env, String w) throws Exception {
    final KeyExtract ke = new KeyExtract();
    switch (w) {
      case "w0": events(env, false).map(e -> e).returns(Event.class).sinkTo(new CountSink<Event>(e -> e.kind == 2 ? e.bid.price : e.kind == 1 ? e.auction.id : e.person.id)); break;
      case "w0net": events(env, false).rebalance().map(e -> e).returns(Event.class).sinkTo(new CountSink<Event>(e -> e.kind == 2 ? e.bid.price : e.kind == 1 ? e.auction.id : e.person.id)); break;
      case "w1": bids(env, false).map(new Q1()).sinkTo(new CountSink<Bid>(b -> b.price)); break;
      case "w2": bids(env, false).filter(b -> b.auction % 123 == 0).map(b -> new AuctionPrice(b.auction, b.price)).returns(AuctionPrice.class).sinkTo(new CountSink<AuctionPrice>(b -> b.price)); break;
      case "w3": bids(env, false).keyBy(ke).process(new Agg()).sinkTo(new CountSink<Stat>(s -> s.count)); break;
      case "w3lean": bids(env, false).map(b -> new AuctionPrice(b.auction, b.price)).returns(AuctionPrice.class).keyBy(new KeyAP()).process(new AggLean()).sinkTo(new CountSink<Stat>(s -> s.count)); break;
      case "w4tumble": bids(env, true).keyBy(ke).window(TumblingEventTimeWindows.of(Duration.ofMillis(W))).aggregate(new WinAgg(), new WinOut()).sinkTo(new CountSink<WinStat>(s -> s.count + s.sum)); break;
      case "w4hop": // q5
        bids(env, true).keyBy(ke).window(SlidingEventTimeWindows.of(Duration.ofMillis(W), Duration.ofMillis(2000))).aggregate(new WinAgg(), new WinOut())
            .keyBy(new KeyEnd()).window(TumblingEventTimeWindows.of(Duration.ofMillis(2000))).reduce(new MaxWin()).sinkTo(new CountSink<WinStat>(s -> s.count)); break;
      case "w4session": bids(env, true).keyBy(new KeyBidder()).window(EventTimeSessionWindows.withGap(Duration.ofMillis(num("gap", W)))).aggregate(new WinAgg(), new WinOut()).sinkTo(new CountSink<WinStat>(s -> s.count)); break;
      case "w5q8": {
        DataStream<Event> ev = events(env, true);
        DataStream<Person> ps = ev.flatMap((Event e, Collector<Person> o) -> { if (e.kind == 0) o.collect(e.person); }).returns(Person.class);
        DataStream<Auction> as = ev.flatMap((Event e, Collector<Auction> o) -> { if (e.kind == 1) o.collect(e.auction); }).returns(Auction.class);
        ps.join(as).where(new KeyPerson()).equalTo(new KeySeller()).window(TumblingEventTimeWindows.of(Duration.ofMillis(W)))
            .apply((Person p, Auction a) -> { Joined r = new Joined(); r.a = p.id; r.b = a.id; r.name = p.name; r.x = a.itemName; return r; }, TypeInformation.of(Joined.class))
            .sinkTo(new CountSink<Joined>(j -> j.a)); break;
      }
      case "w5q3": {
        DataStream<Event> ev = events(env, false);
        DataStream<Person> ps = ev.flatMap((Event e, Collector<Person> o) -> { if (e.kind == 0 && (e.person.state.equals("OR") || e.person.state.equals("ID") || e.person.state.equals("CA"))) o.collect(e.person); }).returns(Person.class);
        DataStream<Auction> as = ev.flatMap((Event e, Collector<Auction> o) -> { if (e.kind == 1 && e.auction.category == 10) o.collect(e.auction); }).returns(Auction.class);
        ps.keyBy(new KeyPerson()).connect(as.keyBy(new KeySeller())).process(new Q3()).sinkTo(new CountSink<Joined>(j -> j.a)); break;
      }
      case "w6": {
        int cap = (int) num("cap", 100); long lat = num("latency", 5); String mode = arg("mode", "ordered"); boolean fifo = arg("store", "sched").equals("fifo");
        final long k = KEYS;
        DataStream<Bid> b = source(env, n -> Gen.bid(n, k), TypeInformation.of(Bid.class), false);
        SingleOutputStreamOperator<AuctionPrice> r;
        if (mode.equals("sync")) r = b.map(x -> { Thread.sleep(lat); return new AuctionPrice(x.auction, x.price + 1); });
        else if (mode.equals("ordered")) r = AsyncDataStream.orderedWait(b, new AsyncLookup(lat, fifo), 60, TimeUnit.SECONDS, cap);
        else r = AsyncDataStream.unorderedWait(b, new AsyncLookup(lat, fifo), 60, TimeUnit.SECONDS, cap);
        r.returns(AuctionPrice.class).sinkTo(new CountSink<AuctionPrice>(x -> x.price)); break;
      }
      case "w8": bids(env, false).keyBy(ke).process(new AggFail(num("failat", N / P / 2))).sinkTo(new LastSink()); break;
      case "json_w1": { final boolean st = arg("json", "databind").equals("stream"); lines(env).map(new JsonIn(st)).map(new Q1()).map(new JsonOut(st)).sinkTo(new CountSink<byte[]>(x -> x.length)); break; }
      case "json_w3": { final boolean st = arg("json", "databind").equals("stream"); lines(env).map(new JsonIn(st)).keyBy(ke).process(new Agg()).map(new StatOut()).sinkTo(new CountSink<byte[]>(x -> 1)); break; }
      default: if (w.startsWith("sql_")) return sql(env, w); throw new IllegalArgumentException(w);
    }
    return env.executeAsync(w);
  }
  static DataStream<byte[]> lines(StreamExecutionEnvironment env) {
    if (A.containsKey("file")) {
      return env.fromSource(FileSource.forRecordStreamFormat(new TextLineInputFormat(), new org.apache.flink.core.fs.Path(A.get("file"))).build(), WatermarkStrategy.noWatermarks(), "file")
          .map(s -> s.getBytes(StandardCharsets.UTF_8)).returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    }
    return source(env, n -> LINES[(int) (n % LINES.length)], PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO, false);
  }
  public static class JsonIn implements MapFunction<byte[], Bid> { final boolean st; JsonIn(boolean s) { st = s; } public Bid map(byte[] l) throws Exception { return parse(l, 0, st); } }
  public static class JsonOut implements MapFunction<Bid, byte[]> { final boolean st; JsonOut(boolean s) { st = s; } public byte[] map(Bid b) throws Exception { return write(b, st); } }
  public static class StatOut implements MapFunction<Stat, byte[]> { public byte[] map(Stat s) throws Exception { return JM.writeValueAsBytes(s); } }
  public static class KeyExtract implements org.apache.flink.api.java.functions.KeySelector<Bid, Long> { public Long getKey(Bid b) { return b.auction; } }
  public static class KeyAP implements org.apache.flink.api.java.functions.KeySelector<AuctionPrice, Long> { public Long getKey(AuctionPrice b) { return b.auction; } }
  public static class KeyBidder implements org.apache.flink.api.java.functions.KeySelector<Bid, Long> { public Long getKey(Bid b) { return b.bidder; } }
  public static class KeyEnd implements org.apache.flink.api.java.functions.KeySelector<WinStat, Long> { public Long getKey(WinStat b) { return b.end; } }
  public static class KeyPerson implements org.apache.flink.api.java.functions.KeySelector<Person, Long> { public Long getKey(Person b) { return b.id; } }
  public static class KeySeller implements org.apache.flink.api.java.functions.KeySelector<Auction, Long> { public Long getKey(Auction b) { return b.seller; } }

  // ------------------------------------------------------------------ measuring
  static double rssMiB() throws IOException { for (String l : Files.readAllLines(Paths.get("/proc/self/status"))) if (l.startsWith("VmHWM")) return Long.parseLong(l.replaceAll("\\D", "")) / 1024.0; return -1; }
  static void resetHwm() { try { Files.write(Paths.get("/proc/self/clear_refs"), "5".getBytes()); } catch (IOException ignored) { } }
  static double cpu() { return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9; }
  static double machineBusy() throws IOException { String[] f = Files.readAllLines(Paths.get("/proc/stat")).get(0).trim().split("\\s+"); double b = 0; for (int i : new int[] {1, 2, 3, 6, 7, 8}) b += Long.parseLong(f[i]); return b / 100; }
  static String load() throws IOException { return new String(Files.readAllBytes(Paths.get("/proc/loadavg"))).split(" ")[0]; }
  static double gc() { long s = 0; for (java.lang.management.GarbageCollectorMXBean b : java.lang.management.ManagementFactory.getGarbageCollectorMXBeans()) s += b.getCollectionTime(); return s / 1e3; }

  static Configuration conf(String w) {
    Configuration c = new Configuration();
    c.setString("rest.port", "0"); c.setString("rest.bind-port", "0"); c.setString("rest.address", "localhost");
    c.setString("taskmanager.numberOfTaskSlots", "" + P);
    c.setString("taskmanager.memory.managed.size", arg("managed", arg("backend", "hashmap").equals("rocksdb") || w.startsWith("sql") ? "2g" : "128m"));
    c.setString("taskmanager.memory.network.min", "256m"); c.setString("taskmanager.memory.network.max", "256m");
    c.setString("state.backend.type", arg("backend", "hashmap"));
    c.setString("execution.checkpointing.incremental", arg("incremental", "true"));
    c.setString("execution.checkpointing.storage", "filesystem");
    c.setString("execution.checkpointing.dir", new File(arg("dir", "work"), "ckpt").toURI().toString());
    c.setString("execution.checkpointing.checkpoints-after-tasks-finish", "false");
    c.setString("execution.checkpointing.checkpoints-after-tasks-finish.enabled", "false");
    c.setString("state.backend.rocksdb.localdir", new File(arg("dir", "work"), "rocks").getAbsolutePath());
    c.setString("io.tmp.dirs", new File(arg("dir", "work"), "tmp").getAbsolutePath());
    c.setString("pipeline.object-reuse", "" + REUSE);
    c.setString("pipeline.generic-types", w.startsWith("sql") ? "true" : "false");
    c.setString("heartbeat.timeout", "600000");
    if (num("ckpt", 0) > 0) c.setString("execution.checkpointing.interval", num("ckpt", 0) + " ms");
    if (w.equals("w8")) { c.setString("restart-strategy.type", "fixed-delay"); c.setString("restart-strategy.fixed-delay.attempts", "3"); c.setString("restart-strategy.fixed-delay.delay", "0 s"); }
    else c.setString("restart-strategy.type", "none");
    for (String k : A.keySet()) if (k.startsWith("conf.")) c.setString(k.substring(5), A.get(k));
    return c;
  }
  static StreamExecutionEnvironment env(Configuration c) throws Exception {
    URI u = MC.getRestAddress().get();
    StreamExecutionEnvironment e = new RemoteStreamEnvironment(u.getHost(), u.getPort(), c);
    e.setParallelism(P);
    return e;
  }
  static void rm(Path p) throws IOException { if (Files.exists(p)) try (java.util.stream.Stream<Path> s = Files.walk(p)) { s.sorted(Comparator.reverseOrder()).forEach(x -> x.toFile().delete()); } }

  public static void main(String[] a) throws Exception {
    String w = a[0];
    for (int i = 1; i < a.length; i++) { int e = a[i].indexOf('='); A.put(a[i].substring(0, e), a[i].substring(e + 1)); }
    P = (int) num("p", 1); N = num("n", 1_000_000) / P * P; KEYS = num("keys", 0); REUSE = arg("reuse", "true").equals("true");
    if (w.equals("gencheck")) { gencheck(); return; }
    new File(arg("dir", "work")).mkdirs();
    Configuration c = conf(w);
    if (w.equals("w7")) { A.put("gated", "1"); c.setString("execution.checkpointing.interval", "1 d"); c.setString("execution.checkpointing.timeout", "30 min"); }
    MC = new MiniCluster(new MiniClusterConfiguration.Builder().setConfiguration(c).setNumTaskManagers(1).setNumSlotsPerTaskManager(P).build());
    MC.start();
    if (w.equals("w7")) { w7(c); System.exit(0); }
    if (w.startsWith("json")) {
      makeLines();
      if (A.containsKey("file")) writeFiles();
    }
    int reps = (int) num("reps", 3);
    for (int r = 0; r < reps; r++) {
      System.gc(); resetHwm(); OUT.set(0); SUM.set(0); FIRST.set(Long.MAX_VALUE);
      T_FAIL = T_FIRST = 0; CKPTS = 0; if (w.equals("w8")) LAST = new long[(int) KEYS];
      String load = load(); double cpu0 = cpu(), busy0 = machineBusy(), gc0 = gc(); long wall0 = System.nanoTime();
      JobClient jc = build(env(c), w);
      JobID id = jc.getJobID();
      JobResult res = MC.requestJobResult(id).get();
      long end = System.nanoTime();
      double wall = (end - wall0) / 1e9, cpu = cpu() - cpu0, others = Math.max(0, machineBusy() - busy0 - cpu) / wall;
      AccessExecutionGraph g = MC.getExecutionGraph(id).get();
      if (!res.isSuccess()) { System.out.println("FAILED " + w + " " + res.getSerializedThrowable().map(Object::toString).orElse("")); res.getSerializedThrowable().ifPresent(t -> t.printStackTrace()); System.exit(1); }
      double s = (g.getStatusTimestamp(JobStatus.FINISHED) - g.getStatusTimestamp(JobStatus.RUNNING)) / 1e3;
      if (w.equals("w8")) s = (g.getStatusTimestamp(JobStatus.FINISHED) - g.getStatusTimestamp(JobStatus.INITIALIZING)) / 1e3;
      double proc = FIRST.get() == Long.MAX_VALUE ? s : (end - FIRST.get()) / 1e9;
      StringBuilder x = new StringBuilder();
      CheckpointStatsSnapshot cs = g.getCheckpointStatsSnapshot();
      if (cs != null && num("ckpt", 0) > 0) {
        List<Long> d = new ArrayList<>(), sz = new ArrayList<>();
        for (AbstractCheckpointStats k : cs.getHistory().getCheckpoints()) if (k.getStatus() == CheckpointStatsStatus.COMPLETED) { d.add(k.getEndToEndDuration()); sz.add(k.getCheckpointedSize()); }
        Collections.sort(d); Collections.sort(sz);
        x.append(" ckpts=" + cs.getCounts().getNumberOfCompletedCheckpoints() + "/" + cs.getCounts().getTotalNumberOfCheckpoints());
        if (!d.isEmpty()) x.append(" ckpt_med_ms=" + d.get(d.size() / 2) + " ckpt_max_ms=" + d.get(d.size() - 1) + " ckpt_med_MB=" + String.format("%.1f", sz.get(sz.size() / 2) / 1e6));
      }
      if (w.equals("w8")) x.append(w8check(cs));
      System.out.println(String.format(Locale.ROOT, "RESULT %s %s rep=%d events=%d secs=%.2f ev_per_s=%.0f wall=%.2f proc=%.2f cpu_s=%.1f cpu_us_per_ev=%.3f gc_s=%.2f rss_MiB=%.0f out=%d sum=%d load=%s others_cpu=%.2f%s",
          w, tag(), r, N, s, N / s, wall, proc, cpu, cpu * 1e6 / N, gc() - gc0, rssMiB(), OUT.get(), SUM.get(), load, others, x));
      System.out.flush();
    }
    rm(Paths.get(arg("dir", "work")));
    System.exit(0);
  }
  static String tag() { StringBuilder b = new StringBuilder("p=" + P + " reuse=" + REUSE); for (String k : new TreeSet<>(A.keySet())) if (!Arrays.asList("p", "n", "reuse", "dir", "reps").contains(k)) b.append(" " + k + "=" + (k.equals("file") ? "yes" : A.get(k))); return b.toString(); }

  static void writeFiles() throws IOException {
    File d = new File(A.get("file")); d.mkdirs();
    for (int p = 0; p < P; p++) try (OutputStream o = new BufferedOutputStream(new FileOutputStream(new File(d, "part-" + p + ".json")), 1 << 20)) { for (long n = p; n < N; n += P) { o.write(LINES[(int) (n % LINES.length)]); o.write('\n'); } }
  }
  static String w8check(CheckpointStatsSnapshot cs) {
    long total = 0, bad = 0; long[] exp = new long[(int) KEYS]; long expTotal = 0;
    for (long n = 0; n < N; n++) if (Gen.kind(n) == 2) { exp[(int) Gen.hi(Gen.h0(n), KEYS)]++; expTotal++; }
    for (int i = 0; i < KEYS; i++) { total += LAST[i]; if (LAST[i] != exp[i]) bad++; }
    return String.format(Locale.ROOT, " recovery_ms=%.1f restarts_ok=%s total=%d expected=%d wrong_keys=%d", (T_FIRST - T_FAIL) / 1e6, T_FAIL != 0, total, expTotal, bad);
  }

  static void w7(Configuration c) throws Exception {
    long load = num("load", 10_000_000), upd = load / 100; int rounds = (int) num("rounds", 5);
    N = load + upd * (rounds * 2 + 2); N = N / P * P;
    LIMIT = load;
    StreamExecutionEnvironment env = env(c);
    source(env, n -> w7key(n, load), Types.LONG, false).keyBy(x -> x, Types.LONG).process(new Big()).sinkTo(new CountSink<Long>(x -> x));
    long t0 = System.nanoTime();
    resetHwm(); double cpu0 = cpu();
    JobID id = env.executeAsync("w7").getJobID();
    while (DONE.get() < load) Thread.sleep(5);
    System.out.println(String.format(Locale.ROOT, "RESULT w7 %s phase=load keys=%d secs=%.2f keys_per_s=%.0f cpu_s=%.1f rss_MiB=%.0f load=%s", tag(), load, (System.nanoTime() - t0) / 1e9, load / ((System.nanoTime() - t0) / 1e9), cpu() - cpu0, rssMiB(), load()));
    long lim = load;
    CheckpointType[] seq = new CheckpointType[1 + 2 * rounds];
    for (int i = 0; i < seq.length; i++) seq[i] = i == 0 ? CheckpointType.CONFIGURED : i <= rounds ? CheckpointType.CONFIGURED : CheckpointType.FULL;
    for (int i = 0; i < seq.length; i++) {
      double us = 0;
      if (i > 0) { long d0 = DONE.get(); lim += upd; long u0 = System.nanoTime(); gate(lim); while (DONE.get() < d0 + upd) Thread.sleep(1); us = (System.nanoTime() - u0) / 1e9; }
      long k0 = System.nanoTime(); double cp = cpu();
      long ck = MC.triggerCheckpoint(id, seq[i]).get();
      double cs = (System.nanoTime() - k0) / 1e9;
      AbstractCheckpointStats st = MC.getExecutionGraph(id).get().getCheckpointStatsSnapshot().getHistory().getCheckpointById(ck);
      System.out.println(String.format(Locale.ROOT, "RESULT w7 %s phase=%s ckpt=%d updates=%d update_secs=%.2f trigger_to_done_s=%.3f e2e_ms=%d checkpointed_MB=%.1f full_state_MB=%.1f cpu_s=%.2f rss_MiB=%.0f load=%s", tag(), i == 0 ? "first" : seq[i] == CheckpointType.FULL ? "full" : "configured", ck, i == 0 ? 0 : upd, us, cs, st.getEndToEndDuration(), st.getCheckpointedSize() / 1e6, st.getStateSize() / 1e6, cpu() - cp, rssMiB(), load()));
    }
    gate(Long.MAX_VALUE);
    JobResult r = MC.requestJobResult(id).get();
    System.out.println("w7 finished ok=" + r.isSuccess());
    rm(Paths.get(arg("dir", "work")));
  }

  /** Prints sample records and a checksum over the first n events, for checking another implementation of the generator. */
  static void gencheck() throws Exception {
    for (long n : new long[] {0, 1, 2, 3, 4, 5, 50, 12345678}) { Event e = Gen.event(n, KEYS); System.out.println(n + " " + JM.writeValueAsString(e.kind == 2 ? e.bid : e.kind == 1 ? e.auction : e.person)); }
    long s = 0, h = 0;
    for (long n = 0; n < N; n++) { byte[] b; Event e = Gen.event(n, KEYS); if (e.kind == 2) b = write(e.bid, true); else b = JM.writeValueAsBytes(e.kind == 1 ? e.auction : e.person); s += b.length; for (byte x : b) h = (h ^ (x & 0xff)) * 0x100000001b3L; }
    System.out.println("events=" + N + " json_bytes=" + s + " fnv1a_style(h=0)=" + Long.toHexString(h));
    long t = System.nanoTime(); long z = 0; for (long n = 0; n < N; n++) { Event e = Gen.event(n, KEYS); z += e.kind == 2 ? e.bid.price : 1; } 
    t = System.nanoTime(); for (long n = 0; n < N; n++) { Event e = Gen.event(n, KEYS); z += e.kind == 2 ? e.bid.price : 1; }
    System.out.println(String.format(Locale.ROOT, "generator alone: %.1f ns/event (%d)", (System.nanoTime() - t) / (double) N, z));
    for (int r = 0; r < 3; r++) { t = System.nanoTime(); for (long n = 0; n < N; n++) z += Gen.row(n, KEYS).getInt(0); }
    System.out.println(String.format(Locale.ROOT, "generator of table rows alone: %.1f ns/event (%d)", (System.nanoTime() - t) / (double) N, z));
  }

  // ------------------------------------------------------------------ table source (SPI)
  public static class NexFactory implements DynamicTableSourceFactory {
    static final ConfigOption<Long> ON = ConfigOptions.key("n").longType().noDefaultValue(), OP = ConfigOptions.key("p").longType().noDefaultValue(), OK = ConfigOptions.key("keys").longType().noDefaultValue();
    public String factoryIdentifier() { return "seqnexmark"; }
    public Set<ConfigOption<?>> requiredOptions() { return new HashSet<>(Arrays.asList(ON, OP, OK)); }
    public Set<ConfigOption<?>> optionalOptions() { return Collections.emptySet(); }
    public DynamicTableSource createDynamicTableSource(Context c) {
      FactoryUtil.TableFactoryHelper h = FactoryUtil.createTableFactoryHelper(this, c);
      return new NexTable(h.getOptions().get(ON), (int) (long) h.getOptions().get(OP), h.getOptions().get(OK));
    }
  }
  public static class NexTable implements ScanTableSource {
    final long n, keys; final int p;
    NexTable(long n, int p, long keys) { this.n = n; this.p = p; this.keys = keys; }
    public ChangelogMode getChangelogMode() { return ChangelogMode.insertOnly(); }
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext c) { final long k = keys; return SourceProvider.of(new SeqSource<RowData>(n, p, 64, x -> Gen.row(x, k), false)); }
    public DynamicTableSource copy() { return new NexTable(n, p, keys); }
    public String asSummaryString() { return "seqnexmark"; }
  }
}
