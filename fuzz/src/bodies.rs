//! The codecs.

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyRequest, AnyResponse, Encode},
    ids::{Api, ApiKey},
};

/// Reads any bytes as a request, whose API the first byte picks.
///
/// No panic. What is accepted is written back as something that is read as the same, and no longer than it was, except where
/// a byte that is not UTF-8 becomes the three of U+FFFD.
pub fn requests(data: &[u8]) {
    let Some((api, body)) = pick(data) else { return };
    if let Ok(request) = AnyRequest::decode(api, &body) {
        assert_eq!(request.api(), api);
        let again = written(3 * body.len(), &request);
        assert_eq!(AnyRequest::decode(api, &again), Ok(request));
    }
}

/// Reads any bytes as a response, whose API the first byte picks.
///
/// No panic. What is accepted is written back as its own beginning: responses have one spelling, except that a fetch may
/// spell an empty set as null.
pub fn responses(data: &[u8]) {
    let Some((api, body)) = pick(data) else { return };
    if let Ok(response) = AnyResponse::decode(api, &body) {
        let again = written(body.len(), &response);
        assert!(api.key == ApiKey::FETCH || body.starts_with(&again));
        assert_eq!(AnyResponse::decode(api, &again), Ok(response));
    }
}

fn pick(data: &[u8]) -> Option<(Api, Bytes)> {
    let (pick, body) = data.split_first()?;
    let api = AnyRequest::APIS.get(usize::from(*pick) % AnyRequest::APIS.len())?;
    Some((*api, Bytes::copy_from_slice(body)))
}

fn written(at_most: usize, body: &impl Encode) -> Bytes {
    let bytes = body.to_bytes().expect("it came from the wire");
    assert!(bytes.len() <= at_most);
    bytes
}
