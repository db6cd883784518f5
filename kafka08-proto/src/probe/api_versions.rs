//! ApiVersions v0 (key 18): which requests a broker knows. No release of 0.8 knows it, so it is not part of `api`.
//!
//! Every release since 0.10 answers it, also 4.0 and later, and also before a client is authenticated. The request has
//! no body. Source: `ApiVersionsRequest.json` and `ApiVersionsResponse.json` of 3.9.

use bytes::Bytes;

use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion},
    wire::{DecodeError, DecodeProblem, Reader},
};

pub(super) const API_VERSIONS: Api = Api::v0(ApiKey(18));

/// Key, lowest and highest version of one request.
const ENTRY: usize = 6;

/// The response.
#[derive(Clone, Debug)]
pub(super) struct ApiVersions {
    pub(super) error: ErrorCode,
    apis: Vec<Versions>,
}

/// The versions that a broker knows of one request.
#[derive(Clone, Copy, Debug)]
struct Versions {
    key: ApiKey,
    min: ApiVersion,
    max: ApiVersion,
}

impl ApiVersions {
    pub(super) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("ApiVersions response", body);
        let error = ErrorCode(reader.int16("error_code")?);
        let apis = reader.array("api_keys", ENTRY, |reader| {
            let key = ApiKey(reader.int16("api_key")?);
            let min = ApiVersion(reader.int16("min_version")?);
            let max = ApiVersion(reader.int16("max_version")?);
            Ok(Versions { key, min, max })
        })?;
        // A broker lists ApiVersions itself at least. Without this check, bytes that happen to be zero would pass for 4.0.
        if apis.is_empty() && error.is_ok() {
            return Err(reader.fail("api_keys", DecodeProblem::OutOfRange(0)));
        }
        Ok(Self { error, apis })
    }

    /// Whether the broker knows a request of this version.
    pub(super) fn lists(&self, api: Api) -> bool {
        let is_listed = |it: &Versions| it.key == api.key && (it.min..=it.max).contains(&api.version);
        self.apis.iter().any(is_listed)
    }
}
