//! Functions compiled for the vectors of today's processors.

/// Declares a function that exists twice: for any processor of the architecture, and for one with wide vectors. Calling
/// it takes the one that fits this processor. What the function calls has to be inlined into it: functions marked
/// `#[inline(always)]` and small closures are.
///
/// Both give the same numbers: sums have a fixed number of strands, and nothing is contracted. There is no third one for
/// AVX-512: the compiler makes attention three times slower with it.
macro_rules! vectorized {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn plain($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($argument: $kind),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has what the function was compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}
pub(in crate::ops::flex) use vectorized;
