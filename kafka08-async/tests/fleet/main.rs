//! The driver of machines with many links, on each runtime.

/// Makes a test on each runtime of each function, which is generic over the runtime.
macro_rules! at_each_home {
    ($($test:ident),* $(,)?) => {
        at_each_home! { on_tokio_with_one_thread, OneThread, [$($test),*] }
        at_each_home! { on_tokio_with_many_threads, ManyThreads, [$($test),*] }
        at_each_home! { on_async_std, OnAsyncStd, [$($test),*] }
        at_each_home! { on_smol, OnSmol, [$($test),*] }
        at_each_home! { on_threads, OnThreads, [$($test),*] }
    };
    ($module:ident, $home:ident, [$($test:ident),*]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test::<$crate::homes::$home>();
                }
            )*
        }
    };
}

mod echoes;
mod homes;
mod owners;
mod peers;

mod answers;
mod deadlines;
mod ends;
mod many;
mod writing;
