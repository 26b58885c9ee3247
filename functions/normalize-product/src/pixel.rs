//! How a reflectance is written: the pixel types, the scale, and the value kept for "no data".

use gdal::raster::GdalType;

/// "No data" in the output, for every pixel type.
pub const NODATA: f64 = 0.0;

/// A pixel type of the output.
pub trait Pixel: GdalType + Copy + PartialEq + Send + Sync {
    /// "No data".
    const NODATA: Self;

    /// A scaled reflectance as this type; never [`Self::NODATA`], out of range is the nearest value in range.
    fn encode(scaled: f64) -> Self;
}

impl Pixel for f32 {
    const NODATA: Self = 0.0;

    fn encode(scaled: f64) -> Self {
        let value = scaled as Self;
        if value == Self::NODATA { Self::MIN_POSITIVE } else { value.clamp(Self::MIN, Self::MAX) }
    }
}

impl Pixel for u16 {
    const NODATA: Self = 0;

    fn encode(scaled: f64) -> Self {
        scaled.round().clamp(1.0, f64::from(Self::MAX)) as Self
    }
}

#[cfg(test)]
mod tests {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    use proptest::prelude::proptest;

    use super::Pixel;

    #[test]
    fn a_valid_value_that_would_round_to_no_data_is_the_smallest_one() {
        assert_eq!(u16::encode(0.2), 1);
        assert_eq!(u16::encode(-3.0), 1);
        assert_eq!(f32::encode(0.0), f32::MIN_POSITIVE);
        assert_eq!(f32::encode(1e-60), f32::MIN_POSITIVE);
    }

    #[test]
    fn integers_are_rounded_and_clamped() {
        assert_eq!(u16::encode(5499.5), 5500);
        assert_eq!(u16::encode(5499.4), 5499);
        assert_eq!(u16::encode(70_000.0), 65_535);
    }

    proptest! {
        #[test]
        fn no_finite_value_becomes_no_data_or_infinite(scaled in POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO) {
            assert_ne!(u16::encode(scaled), 0);
            assert!(f32::encode(scaled) != 0.0 && f32::encode(scaled).is_finite());
        }

        #[test]
        fn encoding_keeps_the_order(a in -1e6..1e6_f64, b in -1e6..1e6_f64) {
            assert_eq!(u16::encode(a.min(b)).min(u16::encode(a.max(b))), u16::encode(a.min(b)));
        }
    }
}
