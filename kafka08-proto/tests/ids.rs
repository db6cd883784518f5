//! What the plain values allow and what they refuse.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{
        Acks, Api, ApiKey, ApiVersion, CorrelationId, Epoch, Generation, Millis, NodeId, OffsetTime, PartitionId,
        ReplicaId, Text, Timestamp,
    },
};

/// Whether a type has a `Default`: the inherent constant is found first where its bound holds, else the trait's.
struct Of<T>(std::marker::PhantomData<T>);

trait Otherwise {
    const HAS_DEFAULT: bool = false;
}

impl<T> Otherwise for Of<T> {}

impl<T: Default> Of<T> {
    const HAS_DEFAULT: bool = true;
}

macro_rules! assert_no_default {
    ($($name:ty),* $(,)?) => {
        $(assert!(!<Of<$name>>::HAS_DEFAULT, "{} has a default", stringify!($name));)*
    };
}

#[test]
#[expect(clippy::assertions_on_constants, reason = "the constants are what is tested")]
fn no_number_whose_zero_is_a_decision_has_a_default() {
    assert!(<Of<Text>>::HAS_DEFAULT, "the check sees a default where there is one");
    assert_no_default![
        Acks,
        Api,
        ApiKey,
        ApiVersion,
        CorrelationId,
        Epoch,
        ErrorCode,
        Generation,
        Millis,
        NodeId,
        OffsetTime,
        PartitionId,
        ReplicaId,
        Timestamp,
    ];
}
