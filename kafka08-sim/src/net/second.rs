//! Reads requests with `kafka-protocol`, which shares no code with this project.
//!
//! Its release 0.15.1 is the last one that knows the requests of 0.8. What 0.8 has as the header of a request is version 1 of
//! its header. It does not inflate compressed message sets of 0.8, so of those only the outer message is counted.

#[cfg(feature = "second-decoder")]
pub(super) use reader::read;

/// Reads nothing, because the other reader is not there.
#[cfg(not(feature = "second-decoder"))]
pub(super) fn read(_frame: &[u8], _messages: u32) -> Result<(), String> {
    Ok(())
}

#[cfg(feature = "second-decoder")]
mod reader {
    use bytes::{Buf as _, Bytes};
    use kafka_protocol::{
        messages::{
            ApiVersionsRequest, FetchRequest, FindCoordinatorRequest, HeartbeatRequest, ListOffsetsRequest,
            MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, RequestHeader,
        },
        protocol::Decodable,
        records::RecordBatchDecoder,
    };

    /// Where the attributes of a message are in its entry.
    const ATTRIBUTES: usize = 8 + 4 + 4 + 1;

    /// Reads a request without its length. `messages` is how many messages are in it, compressed ones counted as one.
    pub(in crate::net) fn read(frame: &[u8], messages: u32) -> Result<(), String> {
        let mut rest = Bytes::copy_from_slice(frame);
        let header: RequestHeader = decode(&mut rest, 1)?;
        let version = header.request_api_version;
        match header.request_api_key {
            0 => produce(&decode(&mut rest, version)?, messages)?,
            1 => drop(decode::<FetchRequest>(&mut rest, version)?),
            2 => drop(decode::<ListOffsetsRequest>(&mut rest, version)?),
            3 => drop(decode::<MetadataRequest>(&mut rest, version)?),
            8 => drop(decode::<OffsetCommitRequest>(&mut rest, version)?),
            9 => drop(decode::<OffsetFetchRequest>(&mut rest, version)?),
            10 => drop(decode::<FindCoordinatorRequest>(&mut rest, version)?),
            12 => drop(decode::<HeartbeatRequest>(&mut rest, version)?),
            18 => drop(decode::<ApiVersionsRequest>(&mut rest, version)?),
            key => return Err(format!("the key {key} is unknown")),
        }
        if rest.has_remaining() { Err(format!("{} bytes are left", rest.remaining())) } else { Ok(()) }
    }

    fn decode<T: Decodable>(from: &mut Bytes, version: i16) -> Result<T, String> {
        T::decode(from, version).map_err(|error| format!("{}: {error:#}", std::any::type_name::<T>()))
    }

    fn produce(request: &ProduceRequest, messages: u32) -> Result<(), String> {
        let sets = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        let mut found = 0;
        for set in sets {
            let set = set.records.as_ref().ok_or("a partition has no message set")?;
            if set.get(ATTRIBUTES).is_some_and(|attributes| *attributes != 0) {
                // One wrapper.
                found += 1;
                continue;
            }
            let read = RecordBatchDecoder::decode_all(&mut set.clone()).map_err(|error| format!("{error:#}"))?;
            found += read.iter().map(|set| set.records.len()).sum::<usize>();
        }
        let is_same = u32::try_from(found) == Ok(messages);
        if is_same { Ok(()) } else { Err(format!("{found} messages were found in place of {messages}")) }
    }
}

#[cfg(all(test, feature = "second-decoder"))]
mod tests {
    use super::read;

    #[test]
    fn a_request_is_read_and_each_of_its_prefixes_is_not() {
        // Metadata v0, id 7, client id "c", the topic "t".
        let frame = b"\0\x03\0\0\0\0\0\x07\0\x01c\0\0\0\x01\0\x01t";
        assert_eq!(read(frame, 0), Ok(()));
        for len in 0..frame.len() {
            assert!(read(&frame[..len], 0).is_err(), "{len}");
        }
        assert_eq!(read(&[frame.as_slice(), b"x"].concat(), 0), Err("1 bytes are left".to_owned()));
    }
}
