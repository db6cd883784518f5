//! The consumer on each runtime, against brokers on TCP.

/// Makes a test on each runtime of each function, which is generic over the runtime.
macro_rules! on_each_runtime {
    ($($test:ident),* $(,)?) => {
        on_each_runtime! { on_tokio_with_one_thread, OneThread, [$($test),*] }
        on_each_runtime! { on_tokio_with_many_threads, ManyThreads, [$($test),*] }
        on_each_runtime! { on_async_std, OnAsyncStd, [$($test),*] }
        on_each_runtime! { on_smol, OnSmol, [$($test),*] }
    };
    ($module:ident, $runtime:ident, [$($test:ident),*]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    $crate::runtimes::run::<$crate::runtimes::$runtime>(super::$test::<$crate::runtimes::$runtime>());
                }
            )*
        }
    };
}

#[path = "../support/cut.rs"]
mod cut;
#[path = "../support/polls.rs"]
mod polls;
#[path = "../support/runtimes.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod runtimes;

mod assigning;
mod cancel;
mod committing;
mod ends;
mod faults;
mod reading;
mod rig;
mod workers;
