//! Status lists: what comes out is bounded, and is what was compressed.

use gatepass_jose::base64url;
use gatepass_token::{InvalidStatusList, StatusList, StatusListClaim};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use crate::bounds::bounded;

/// What a list may come to, in bytes.
const MOST: usize = 4096;

/// Takes `data` for the claim as JSON; else its first byte for `bits` and the others for the zlib data.
pub fn check(data: &[u8]) -> bool {
    if data.first() == Some(&b'{') {
        return serde_json::from_slice(data).is_ok_and(|claim| check_claim(&claim));
    }
    let Some((bits, compressed)) = data.split_first() else { return false };
    check_claim(&StatusListClaim { bits: *bits, lst: base64url::encode(compressed) })
}

fn check_claim(claim: &StatusListClaim) -> bool {
    let list = match bounded(claim.lst.len() + MOST, || StatusList::decode(claim, MOST)) {
        Ok(list) => list,
        Err(error) => {
            assert_eq!(error == InvalidStatusList::Bits, !matches!(claim.bits, 1 | 2 | 4 | 8));
            return false;
        }
    };
    let compressed = base64url::decode(&claim.lst).expect("it was read");
    let bytes = decompress_to_vec_zlib_with_limit(&compressed, MOST).expect("it was read");
    let bits = usize::from(claim.bits);
    assert_eq!(list.len(), bytes.len() * 8 / bits);
    assert_eq!(list.is_empty(), bytes.is_empty());
    for index in 0..list.len() {
        let status = list.status(index).expect("it is within the list").value();
        let naive = (0..bits).map(|bit| index * bits + bit).rev();
        let naive = naive.fold(0, |value, bit| value << 1 | (bytes[bit / 8] >> (bit % 8) & 1));
        assert_eq!(status, naive, "status {index}");
    }
    for index in [list.len(), list.len() + 1, usize::MAX] {
        assert!(list.status(index).is_err());
    }
    true
}
