//! How much memory a call may take.

/// What a call may hold at one time beyond its input's share, in bytes.
const HELD: u64 = 256 * 1024;
/// How many bytes one byte of input may hold. A JSON object of one member is the dearest: seven bytes of
/// text are a node of a tree with room for eleven.
const HELD_PER_BYTE: u64 = 256;
/// How often over a call may allocate what it holds. Growing buffers come to three times; work that is
/// quadratic in the input does not fit.
const TURNOVER: u64 = 8;

/// Calls `call` and panics when it allocated out of proportion to an input of `len` bytes.
///
/// Memory of the crypto library, which is C, is not seen here; libFuzzer's own limit sees it.
pub fn bounded<T>(len: usize, call: impl FnOnce() -> T) -> T {
    let mut result = None;
    let allocated = allocation_counter::measure(|| result = Some(call()));
    let most = HELD + len as u64 * HELD_PER_BYTE;
    assert!(allocated.bytes_max <= most, "{} bytes held for an input of {len}", allocated.bytes_max);
    assert!(
        allocated.bytes_total <= most * TURNOVER,
        "{} bytes allocated for an input of {len}",
        allocated.bytes_total
    );
    result.expect("the call above was made")
}
