//! Bounds how components use components, before the compiler sees them. A component of two
//! kilobytes can make two of one that makes two of another, and so on: thirty steps are 2^30
//! instances, and the compiler takes gigabytes to find out. It judges nothing else: what it cannot
//! read, the compiler refuses.
//!
//! The layout: 8 bytes of preamble, then sections: id, size, content. Section 4 is a component,
//! section 5 starts with the number of its instances
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>).

const PREAMBLE_BYTES: usize = 8;
const COMPONENT_SECTION: u8 = 4;
const INSTANCE_SECTION: u8 = 5;
/// A component of `wasmill build` holds one level, and makes one instance of it.
const LEVELS_MAX: usize = 3;
/// Counted where they are written. Multiplied by each other, 16 make a few hundred at most.
const INSTANCES_MAX: u64 = 16;

/// What is too much about a component, if anything is.
pub(super) fn excess(component: &[u8]) -> Option<String> {
    let mut instances = 0;
    // Not recursive: the depth is the stranger's choice.
    let mut open = vec![(component, 0)];
    while let Some((bytes, level)) = open.pop() {
        if level > LEVELS_MAX {
            return Some(format!("components stand inside of components more than {LEVELS_MAX} deep"));
        }
        let mut rest = bytes.get(PREAMBLE_BYTES..).unwrap_or_default();
        while let Some((id, content, behind)) = section(rest) {
            match id {
                COMPONENT_SECTION => open.push((content, level + 1)),
                INSTANCE_SECTION => instances += number(content).map_or(0, |(count, _)| u64::from(count)),
                _ => {}
            }
            rest = behind;
        }
    }
    (instances > INSTANCES_MAX)
        .then(|| format!("it makes {instances} component instances, {INSTANCES_MAX} are allowed"))
}

fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&id, rest) = bytes.split_first()?;
    let (size, rest) = number(rest)?;
    let (content, behind) = rest.split_at_checked(size as usize)?;
    Some((id, content, behind))
}

/// An unsigned LEB128 of 32 bits, and what follows.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::excess;

    fn of(text: &str) -> Option<String> {
        excess(&wat::parse_str(text).expect("the text is a component"))
    }

    #[test]
    fn levels_and_instances_have_their_limits() {
        assert_eq!(of("(component (component (component (component))))"), None);
        let told = of("(component (component (component (component (component)))))").expect("four levels");
        assert!(told.contains("more than 3 deep"), "{told}");
        let many = |n| format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(n));
        assert_eq!(of(&many(16)), None);
        assert!(of(&many(17)).expect("one too many").contains("17 component instances"));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_compiler() {
        for bytes in
            [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0\x04\xff", b"\0asm\x0d\0\x01\0\x05\x80\x80\x80\x80\x80\x80"]
        {
            assert_eq!(excess(bytes), None);
        }
    }
}
