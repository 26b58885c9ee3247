//! From the counts of one band to its pixels.

use crate::dimap::{Band, Product};
use crate::pixel::Pixel;
use crate::pool::Pool;
use crate::reflectance::Reflectance;

/// Counts that stay in the processor's cache between two looks.
const PIECE: usize = 4096;

/// Counts as they are carried: integers of 16 bits as they are, anything else as `f32`.
#[derive(Debug)]
pub enum Counts {
    /// Each has its place in a table.
    Table(Vec<u16>),
    /// Computed one by one.
    Computed(Vec<f32>),
}

/// Buffers for counts.
#[derive(Debug, Default)]
pub struct Used {
    /// Of [`Counts::Table`].
    pub table: Pool<u16>,
    /// Of [`Counts::Computed`].
    pub computed: Pool<f32>,
}

impl Used {
    /// Keeps a buffer.
    pub fn give(&self, counts: Counts) {
        match counts {
            Counts::Table(counts) => self.table.give(counts),
            Counts::Computed(counts) => self.computed.give(counts),
        }
    }
}

/// What was seen in a band.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pixels with a reflectance.
    pub valid: u64,
    /// Of these, pixels at or over the saturated count.
    pub saturated: u64,
}

impl Tally {
    /// Counts other pixels in.
    pub const fn add(&mut self, other: Self) {
        self.valid += other.valid;
        self.saturated += other.saturated;
    }
}

/// One band's way from count to pixel.
#[derive(Debug)]
pub struct Encoder<T> {
    reflectance: Reflectance,
    scale: f64,
    no_data: [Option<f64>; 2],
    saturated: f64,
    /// The pixel of each count of 16 bits.
    table: Vec<T>,
    /// The first of these that is saturated; above all of them where none is.
    saturated_from: u32,
}

impl<T: Pixel> Encoder<T> {
    /// Of a band whose pixels are reflectance times `scale`; `no_data` is the ortho's own value.
    pub fn new(product: &Product, band: &Band, scale: f64, no_data: Option<f64>) -> Self {
        let reflectance = Reflectance::new(band.calibration, product.sun_elevation_deg, product.date);
        let saturated = product.saturated.unwrap_or(f64::INFINITY);
        let no_data = [Some(product.nodata), no_data];
        // Infinity becomes the largest number.
        let saturated_from = saturated.ceil() as u32;
        let mut encoder = Self { reflectance, scale, no_data, saturated, table: Vec::new(), saturated_from };
        encoder.table = (0..=u16::MAX).map(|count| encoder.pixel(f64::from(count))).collect();
        encoder
    }

    /// All pixels of the counts, in place of what `pixels` holds.
    pub fn encode(&self, counts: &Counts, pixels: &mut Vec<T>) -> Tally {
        pixels.clear();
        match counts {
            Counts::Table(counts) => self.look_up(counts, pixels),
            Counts::Computed(counts) => self.compute(counts, pixels),
        }
    }

    /// Piece by piece, and what is counted by itself: the processor does several at once then.
    fn look_up(&self, counts: &[u16], pixels: &mut Vec<T>) -> Tally {
        let mut tally = Tally::default();
        for counts in counts.chunks(PIECE) {
            let start = pixels.len();
            pixels.extend(counts.iter().map(|count| self.table[usize::from(*count)]));
            let pixels = &pixels[start..];
            let is_high =
                |(count, pixel): &(&u16, &T)| u32::from(**count) >= self.saturated_from && **pixel != T::NODATA;
            tally.valid += pixels.iter().filter(|pixel| **pixel != T::NODATA).count() as u64;
            tally.saturated += counts.iter().zip(pixels).filter(is_high).count() as u64;
        }
        tally
    }

    fn compute(&self, counts: &[f32], pixels: &mut Vec<T>) -> Tally {
        let mut tally = Tally::default();
        let one = |count: &f32| {
            let count = f64::from(*count);
            let pixel = self.pixel(count);
            let is_valid = pixel != T::NODATA;
            tally.valid += u64::from(is_valid);
            tally.saturated += u64::from(is_valid && count >= self.saturated);
            pixel
        };
        pixels.extend(counts.iter().map(one));
        tally
    }

    fn pixel(&self, count: f64) -> T {
        if self.is_no_data(count) { T::NODATA } else { T::encode(self.reflectance.of(count) * self.scale) }
    }

    fn is_no_data(&self, count: f64) -> bool {
        !count.is_finite() || self.no_data.contains(&Some(count))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::{Counts, Encoder};
    use crate::dimap::{Band, Product};
    use crate::reflectance::Calibration;

    fn encoder(nodata: f64, saturated: f64, own: Option<f64>) -> Encoder<u16> {
        let calibration = Calibration { gain: 10.0, bias: 0.5, irradiance: 1500.0 };
        let band = Band { id: "B0".to_owned(), calibration };
        let product = Product {
            bands: Vec::new(),
            sun_elevation_deg: 60.0,
            date: date(2013, 7, 15),
            nodata,
            saturated: Some(saturated),
        };
        Encoder::new(&product, &band, 10_000.0, own)
    }

    #[test]
    fn no_data_above_the_saturated_count_is_not_counted() {
        let mut pixels = vec![9; 9];
        let counts = Counts::Table(vec![0, 4094, 4095, 65_535]);
        let tally = encoder(0.0, 4095.0, Some(65_535.0)).encode(&counts, &mut pixels);
        assert_eq!(pixels.len(), 4);
        assert_eq!((pixels[0], pixels[3]), (0, 0));
        assert_eq!((tally.valid, tally.saturated), (2, 1));
    }

    proptest! {
        #[test]
        fn counts_of_16_bits_have_the_pixels_that_the_same_numbers_have_as_floats(
            counts: Vec<u16>, nodata in 0..5_u16, saturated in 1000..5000_u16,
        ) {
            let encoder = encoder(nodata.into(), saturated.into(), Some(7.0));
            let floats = counts.iter().copied().map(f32::from).collect();
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let tally = encoder.encode(&Counts::Table(counts), &mut one);
            prop_assert_eq!((tally, one), (encoder.encode(&Counts::Computed(floats), &mut other), other));
        }
    }
}
