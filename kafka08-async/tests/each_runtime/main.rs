//! The client on each runtime: futures that are dropped, tasks that end, load, and peers that fail.

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

#[path = "../support/one_byte.rs"]
mod one_byte;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/pipe.rs"]
mod pipe;
#[path = "../support/runtimes.rs"]
mod runtimes;
#[path = "../support/sockets.rs"]
mod sockets;

mod abandoned;
mod cancel;
mod cluster;
mod ends_of_sockets;
mod giving_up;
mod load;
mod panics;
mod silent_peers;
