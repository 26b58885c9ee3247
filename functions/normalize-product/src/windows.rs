//! How an image is cut: windows of whole blocks, so that each block is read and written once.

/// Columns and rows.
pub type Size = (usize, usize);

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Left column, from 0.
    pub column: usize,
    /// Upper row, from 0.
    pub row: usize,
    /// Columns and rows.
    pub size: Size,
}

impl Window {
    /// Number of pixels.
    pub const fn pixels(&self) -> usize {
        self.size.0 * self.size.1
    }
}

/// A window of whole output blocks that has about `pixels` pixels, at least one block. It is as high as the ortho's
/// blocks where both are tiles.
pub fn window_size(pixels: usize, image: Size, ortho_block: Size, output_block: Size) -> Size {
    let tiled = |block: Size| block.0 < image.0;
    let least = if tiled(ortho_block) && tiled(output_block) { ortho_block.1 } else { 1 };
    let lowest = least.next_multiple_of(output_block.1);
    let whole = |aim: usize, block: usize| block * (aim / block).max(1);
    let width = whole(pixels / lowest, output_block.0).min(image.0.next_multiple_of(output_block.0));
    (width, whole(pixels / width, lowest))
}

/// How many pixels of the ortho must stay in memory so that none of its blocks is read twice: a row of its blocks, where
/// several windows share one.
pub fn kept_pixels(window: Size, image: Size, ortho_block: Size) -> usize {
    if ortho_block.0 > window.0 || ortho_block.1 > window.1 {
        image.0 * ortho_block.1.max(window.1).min(image.1)
    } else {
        window.0 * window.1
    }
}

/// Windows over a whole image, row of windows after row of windows.
pub fn windows(image: Size, window: Size) -> Vec<Window> {
    let columns = |row| {
        (0..image.0).step_by(window.0).map(move |column| Window {
            column,
            row,
            size: (window.0.min(image.0 - column), window.1.min(image.1 - row)),
        })
    };
    (0..image.1).step_by(window.1).flat_map(columns).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{kept_pixels, window_size, windows};

    const PIXELS: usize = 2048 * 256;

    #[test]
    fn a_window_is_made_of_whole_output_blocks() {
        let strips = (30_000, 1);
        assert_eq!(window_size(PIXELS, (30_000, 30_000), strips, (256, 256)), (2048, 256));
        assert_eq!(window_size(PIXELS, (30_000, 30_000), strips, (512, 512)), (1024, 512));
        assert_eq!(window_size(PIXELS, (30_000, 30_000), (1024, 1024), (256, 256)), (512, 1024));
        assert_eq!(window_size(PIXELS, (30_000, 30_000), strips, (30_000, 1)), (30_000, 17));
        assert_eq!(window_size(PIXELS, (300, 30_000), (300, 1), (256, 256)), (512, 1024));
        assert_eq!(window_size(1, (300, 300), (300, 1), (256, 128)), (256, 128));
    }

    #[test]
    fn strips_that_several_windows_share_are_kept() {
        assert_eq!(kept_pixels((2048, 256), (30_000, 30_000), (30_000, 1)), 30_000 * 256);
        assert_eq!(kept_pixels((2048, 256), (30_000, 30_000), (256, 256)), 2048 * 256);
        assert_eq!(kept_pixels((30_000, 17), (30_000, 30_000), (256, 256)), 30_000 * 256);
    }

    proptest! {
        #[test]
        fn windows_cover_each_pixel_once(width in 1..40_usize, height in 1..40_usize, w in 1..50_usize, h in 1..50_usize) {
            let mut seen = vec![0_u8; width * height];
            for window in windows((width, height), (w, h)) {
                for row in window.row..window.row + window.size.1 {
                    for column in window.column..window.column + window.size.0 {
                        seen[row * width + column] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }

        #[test]
        fn no_window_cuts_an_output_block(
            pixels in 1..5000_usize, side in 1..200_usize, ortho in 1..100_usize, w in 1..100_usize, h in 1..100_usize,
        ) {
            let size = window_size(pixels, (side, side), (ortho, ortho), (w, h));
            prop_assert!(size.0 > 0 && size.1 > 0 && size.0.is_multiple_of(w) && size.1.is_multiple_of(h));
        }
    }
}
