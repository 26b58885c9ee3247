//! The sensor of a synthetic couple: an affine camera with height parallax, exact in both directions.

/// Height over the ellipsoid at which parallax is zero, metres.
pub(super) const HEIGHT_OFFSET_M: f64 = 200.0;
/// Heights that the model covers above and below [`HEIGHT_OFFSET_M`], metres.
pub(super) const HEIGHT_SCALE_M: f64 = 500.0;

/// How the satellite looks at the scene; the couples of a stereo differ in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Turn of the image's columns against east, degrees counter-clockwise.
    pub rotation_deg: f64,
    /// Metres of displacement along the columns for one metre of height: the tangent of the across-track angle.
    pub across: f64,
    /// The same against the lines: the tangent of the along-track angle.
    pub along: f64,
}

impl View {
    /// The satellite's azimuth seen from the ground, degrees from north: high points lean away from it.
    pub(super) fn azimuth_deg(&self) -> f64 {
        let (sin, cos) = self.rotation_deg.to_radians().sin_cos();
        let (east, north) = (cos * self.across - sin * self.along, sin * self.across + cos * self.along);
        (-east).atan2(-north).to_degrees().rem_euclid(360.0)
    }
}

/// Ground (metres east and north of the centre) to pixels of the P image (from 0, at their centres) and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) view: View,
    pub(super) gsd_m: f64,
    /// Pixel coordinate of the image's centre, both ways.
    pub(super) middle: f64,
    /// Half side of the ground that the model covers, metres.
    pub(super) half_m: f64,
    /// Longitude and latitude of the centre, degrees.
    pub(super) centre: (f64, f64),
    /// Metres for one degree of longitude and latitude at the centre.
    pub(super) metres_per_degree: (f64, f64),
}

impl Geometry {
    pub(super) fn new(size: usize, gsd_m: f64, centre: (f64, f64), view: View) -> Self {
        let half_m = 0.6 * size as f64 * gsd_m;
        let middle = (size as f64 - 1.0) / 2.0;
        Self { view, gsd_m, middle, half_m, centre, metres_per_degree: metres_per_degree(centre.1) }
    }

    /// Longitude and latitude of a place, degrees.
    pub(super) fn lon_lat(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (east, north) = self.metres_per_degree;
        (self.centre.0 + x / east, self.centre.1 + y / north)
    }

    /// Metres east and north of the centre.
    pub(super) fn place(&self, (lon, lat): (f64, f64)) -> (f64, f64) {
        let (east, north) = self.metres_per_degree;
        ((lon - self.centre.0) * east, (lat - self.centre.1) * north)
    }

    /// Column and row of a place at a height over the ellipsoid.
    pub(super) fn pixel(&self, (x, y): (f64, f64), height_m: f64) -> (f64, f64) {
        let (sin, cos) = self.view.rotation_deg.to_radians().sin_cos();
        let rise = height_m - HEIGHT_OFFSET_M;
        let across = cos * x + sin * y + self.view.across * rise;
        let along = sin * x - cos * y - self.view.along * rise;
        (self.middle + across / self.gsd_m, self.middle + along / self.gsd_m)
    }

    /// The places that the pixels of one row see on a surface, in the order of `columns`.
    pub(super) fn places<'a>(
        &'a self,
        row: f64,
        columns: impl Iterator<Item = f64> + 'a,
        height_m: impl Fn((f64, f64)) -> f64 + 'a,
    ) -> impl Iterator<Item = (f64, f64)> + 'a {
        let (sin, cos) = self.view.rotation_deg.to_radians().sin_cos();
        let v = self.gsd_m * (row - self.middle);
        // The neighbour's height is nearly the pixel's own: few steps are enough, except for the first pixel.
        let (mut rise, mut steps) = (0.0, 20);
        columns.map(move |column| {
            let u = self.gsd_m * (column - self.middle);
            let at = |rise: f64| {
                let (u, v) = (u - self.view.across * rise, v + self.view.along * rise);
                (cos * u + sin * v, sin * u - cos * v)
            };
            for _ in 0..steps {
                rise = height_m(at(rise)) - HEIGHT_OFFSET_M;
            }
            steps = 2;
            at(rise)
        })
    }

    /// Coefficients of longitude, latitude and height (all normalised) for column and row (normalised).
    pub(super) fn inverse_coefficients(&self) -> [[f64; 3]; 2] {
        let (sin, cos) = self.view.rotation_deg.to_radians().sin_cos();
        let (across, along) = self.normalised_parallax();
        [[cos, sin, across], [sin, -cos, -along]]
    }

    /// Coefficients of column, row and height (all normalised) for longitude and latitude (normalised).
    pub(super) fn direct_coefficients(&self) -> [[f64; 3]; 2] {
        let (sin, cos) = self.view.rotation_deg.to_radians().sin_cos();
        let (across, along) = self.normalised_parallax();
        [[cos, sin, sin * along - cos * across], [sin, -cos, -sin * across - cos * along]]
    }

    fn normalised_parallax(&self) -> (f64, f64) {
        let heights = HEIGHT_SCALE_M / self.half_m;
        (self.view.across * heights, self.view.along * heights)
    }
}

/// Metres for one degree of longitude and latitude (series for the WGS 84 ellipsoid).
fn metres_per_degree(latitude_deg: f64) -> (f64, f64) {
    let latitude = latitude_deg.to_radians();
    let north = 111_132.954 - 559.822 * (2.0 * latitude).cos() + 1.175 * (4.0 * latitude).cos();
    let east = 111_412.84 * latitude.cos() - 93.5 * (3.0 * latitude).cos();
    (east, north)
}

#[cfg(test)]
mod tests {
    use super::{Geometry, View};

    #[test]
    fn a_place_is_seen_by_the_pixel_it_is_projected_to() {
        let view = View { rotation_deg: 4.0, across: 0.2, along: -0.3 };
        let geometry = Geometry::new(400, 0.7, (1.5, 43.5), view);
        let height = |(x, y): (f64, f64)| 220.0 + 0.1 * x - 0.05 * y;
        let columns = [0.0, 1.0, 200.0, 399.0];
        for (place, column) in geometry.places(17.0, columns.into_iter(), height).zip(columns) {
            let (c, r) = geometry.pixel(place, height(place));
            assert!((c - column).abs() < 0.05 && (r - 17.0).abs() < 0.05, "{c} {r}");
        }
    }

    #[test]
    fn the_two_models_are_inverse() {
        let geometry = Geometry::new(400, 0.7, (1.5, 43.5), View { rotation_deg: 7.0, across: 0.2, along: 0.1 });
        let [column, row] = geometry.inverse_coefficients();
        let [lon, lat] = geometry.direct_coefficients();
        let apply = |c: [f64; 3], a: f64, b: f64, h: f64| c[0] * a + c[1] * b + c[2] * h;
        let (s, l) = (apply(column, 0.3, -0.4, 0.5), apply(row, 0.3, -0.4, 0.5));
        assert!((apply(lon, s, l, 0.5) - 0.3).abs() < 1e-12);
        assert!((apply(lat, s, l, 0.5) + 0.4).abs() < 1e-12);
    }

    #[test]
    fn high_points_lean_away_from_the_satellite() {
        let leans_east = View { rotation_deg: 0.0, across: 0.2, along: 0.0 };
        assert!((leans_east.azimuth_deg() - 270.0).abs() < 1e-9);
    }
}
