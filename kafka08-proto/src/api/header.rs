//! The header in front of every request.

use bytes::Bytes;

use crate::{
    ids::{Api, ApiKey, ApiVersion, CorrelationId, Text},
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int32, nullable_text, parse},
};

/// The header in front of the body of a request (`RequestOrResponse`, 0.8.2).
///
/// In every 0.8 release, the header of ControlledShutdown has no client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The key and version of the request.
    pub api: Api,
    /// The id that the response repeats.
    pub correlation_id: CorrelationId,
    /// The name of the client: any string, or null. The broker uses it in its logs and metrics.
    pub client_id: Option<Text>,
}

impl RequestHeader {
    /// Encodes the header.
    ///
    /// # Errors
    /// The client id is longer than 32 767 bytes.
    pub fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        Self::encode_parts(self.api, self.correlation_id, self.client_id.as_ref(), to)
    }

    pub(crate) fn encode_parts(
        api: Api,
        correlation_id: CorrelationId,
        client_id: Option<&Text>,
        to: &mut Encoder,
    ) -> Result<(), EncodeError> {
        to.int16(api.key.0);
        to.int16(api.version.0);
        to.int32(correlation_id.0);
        // A broker of any release chooses the layout of the header by the key, so this depends on the key and not on a
        // setting.
        if has_client_id(api.key) {
            to.nullable_text("client_id", client_id)?;
        }
        Ok(())
    }

    /// Splits the frame of a request, without its length, into header and body. Bytes of the client id that are not
    /// UTF-8 are replaced by U+FFFD, as brokers do.
    ///
    /// # Errors
    /// The frame is too short, or the client id is too long after the replacement. A broker closes the connection if
    /// the frame is too short.
    pub fn split(frame: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let (header, taken) = parse("request header", frame, |i| {
            let (i, key) = int16("api_key", i)?;
            let (i, version) = int16("api_version", i)?;
            let (i, correlation_id) = int32("correlation_id", i)?;
            let key = ApiKey(key);
            // A client id that is not UTF-8 must not close a connection that brokers would keep.
            let (i, client_id) =
                if has_client_id(key) { nullable_text("client_id", Rules::Broker, frame, i)? } else { (i, None) };
            let api = Api { key, version: ApiVersion(version) };
            Ok((i, Self { api, correlation_id: CorrelationId(correlation_id), client_id }))
        })?;
        Ok((header, frame.slice(taken..)))
    }
}

fn has_client_id(key: ApiKey) -> bool {
    key != ApiKey::CONTROLLED_SHUTDOWN
}
