//! FEEL's numbers (FEEL 1.3, 10.3.2.3.1): decimals of 34 digits, rounded half to even, with Java's scales and spelling.

use super::limits::MAX_EXPONENT;
use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use std::cmp::Ordering;
use std::fmt;

/// Digits that an operation keeps (IEEE 754 decimal128).
const DIGITS: u64 = 34;

/// A decimal number; `1.0` and `1` are equal, and spelled differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(BigDecimal);

impl Number {
    /// Reads what Java's `BigDecimal` reads; None for anything else, and for more digits than a number has here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok().filter(|_| !text[at + 1..].is_empty())?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let size = BigInt::parse_bytes(digits.as_bytes(), 10)?;
        Self::checked(if mantissa.starts_with('-') { -size } else { size }, scale)
    }

    /// The number that Java's `BigDecimal.valueOf` makes of it; None for infinities and NaN.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let shortest = format!("{value:e}");
        let (mantissa, exponent) = shortest.split_once('e')?;
        let exponent: i64 = exponent.parse().ok()?;
        // Java writes at least one digit behind the point, of the mantissa too where it writes one.
        let least = if value == 0.0 || (-3..7).contains(&exponent) { 1 } else { 1 - exponent };
        let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
        let number = BigDecimal::new(BigInt::parse_bytes(mantissa.replace('.', "").as_bytes(), 10)?, 0);
        let (digits, _) = number.into_bigint_and_exponent();
        let scale = i64::try_from(fraction).ok()? - exponent;
        Some(Self(if scale < least {
            BigDecimal::new(digits * power_of_ten(least - scale), least)
        } else {
            BigDecimal::new(digits, scale)
        }))
    }

    fn checked(digits: BigInt, scale: i64) -> Option<Self> {
        let number = BigDecimal::new(digits, scale);
        let leading = i64::try_from(number.digits()).ok()?.checked_sub(scale)?;
        (scale.abs() <= MAX_EXPONENT && leading.abs() <= MAX_EXPONENT).then_some(Self(number))
    }

    fn rounded(number: BigDecimal, digits: u64) -> Option<Self> {
        let (mut size, mut scale) = number.into_bigint_and_exponent();
        // Rounding up may give one digit more.
        loop {
            let surplus = BigDecimal::new(size.clone(), 0).digits().saturating_sub(digits);
            if surplus == 0 {
                return Self::checked(size, scale);
            }
            let surplus = i64::try_from(surplus).ok()?;
            size = divide(&size, &power_of_ten(surplus), RoundingMode::HalfEven);
            scale -= surplus;
        }
    }

    /// The sum; None when it is out of range, like all that follows.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Self::rounded(self.exact_sum(other), DIGITS)
    }

    /// The difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<Self> {
        Self::rounded(self.exact_sum(&other.negated()), DIGITS)
    }

    /// The product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Option<Self> {
        self.times_in(other, DIGITS)
    }

    fn times_in(&self, other: &Self, digits: u64) -> Option<Self> {
        Self::rounded(self.exact_product(other), digits)
    }

    // `BigDecimal`'s own operators drop zeros at the end where an operand is zero or one.
    fn exact_sum(&self, other: &Self) -> BigDecimal {
        let ((left, left_scale), (right, right_scale)) =
            (self.0.as_bigint_and_exponent(), other.0.as_bigint_and_exponent());
        let scale = left_scale.max(right_scale);
        let sum = left * power_of_ten(scale - left_scale) + right * power_of_ten(scale - right_scale);
        BigDecimal::new(sum, scale)
    }

    fn exact_product(&self, other: &Self) -> BigDecimal {
        let ((left, left_scale), (right, right_scale)) =
            (self.0.as_bigint_and_exponent(), other.0.as_bigint_and_exponent());
        BigDecimal::new(left * right, left_scale + right_scale)
    }

    /// The quotient; None also when `other` is zero.
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Self> {
        self.over_in(other, DIGITS)
    }

    fn over_in(&self, other: &Self, digits: u64) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let (dividend, divisor) = (self.0.as_bigint_and_exponent(), other.0.as_bigint_and_exponent());
        let preferred = dividend.1 - divisor.1;
        if self.is_zero() {
            return Self::checked(BigInt::zero(), preferred);
        }
        let mut shift = i64::try_from(digits + other.0.digits()).ok()? - i64::try_from(self.0.digits()).ok()?;
        let (mut above, mut below) = shifted(&dividend.0, &divisor.0, shift);
        if BigDecimal::new(&above / &below, 0).digits() > digits {
            shift -= 1;
            (above, below) = shifted(&dividend.0, &divisor.0, shift);
        }
        let scale = preferred + shift;
        if (&above % &below).is_zero() {
            return strip(above / below, scale, preferred);
        }
        Self::rounded(BigDecimal::new(divide(&above, &below, RoundingMode::HalfEven), scale), digits)
    }

    /// What is left of the division to a whole number, with the sign of `self`; None also when `other` is zero.
    #[must_use]
    pub fn remainder(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let preferred = self.scale() - other.scale();
        let (above, below) =
            shifted(&self.0.as_bigint_and_exponent().0, &other.0.as_bigint_and_exponent().0, -preferred);
        let whole = strip(above / below, 0, preferred.min(0))?;
        let whole = if preferred > 0 { whole.with_scale(preferred, RoundingMode::Down)? } else { whole };
        Some(Self(self.exact_sum(&Self(whole.exact_product(other)).negated())))
    }

    /// `self` to the power of a whole number, as Java's `BigDecimal.pow` rounds it.
    #[must_use]
    pub fn power(&self, exponent: i32) -> Option<Self> {
        const LARGEST: u32 = 999_999_999;
        let size = exponent.unsigned_abs();
        if size > LARGEST {
            return None;
        }
        if size == 0 {
            return Some(Self::from(1));
        }
        let digits = DIGITS + u64::from(size.ilog10()) + 2;
        let mut result = Self::from(1);
        for bit in (0..=size.ilog2()).rev() {
            result = result.times_in(&result, digits)?;
            if size >> bit & 1 == 1 {
                result = result.times_in(self, digits)?;
            }
        }
        if exponent < 0 {
            result = Self::from(1).over_in(&result, digits)?;
        }
        Self::rounded(result.0, DIGITS)
    }

    /// With `scale` digits behind the point.
    #[must_use]
    pub fn with_scale(&self, scale: i64, mode: RoundingMode) -> Option<Self> {
        let (digits, now) = self.0.as_bigint_and_exponent();
        if scale.abs() > MAX_EXPONENT {
            return None;
        }
        if scale >= now {
            return Self::checked(digits * power_of_ten(scale - now), scale);
        }
        Self::checked(divide(&digits, &power_of_ten(now - scale), mode), scale)
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self(self.0.abs())
    }

    /// With the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self(-&self.0)
    }

    /// Digits behind the point; negative when zeros before it are not written.
    fn scale(&self) -> i64 {
        self.0.as_bigint_and_exponent().1
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether nothing but zeros is behind the point.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_integer()
    }

    /// The whole part's lowest 64 bits, as Java's `longValue`.
    #[must_use]
    pub fn to_i64(&self) -> i64 {
        let whole = self.0.with_scale_round(0, RoundingMode::Down).into_bigint_and_exponent().0;
        let low = whole.magnitude().iter_u64_digits().next().unwrap_or(0).cast_signed();
        if whole.sign() == Sign::Minus { low.wrapping_neg() } else { low }
    }

    /// The whole part's lowest 32 bits, as Java's `intValue`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "what Java does")]
    pub fn to_i32(&self) -> i32 {
        self.to_i64() as i32
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let (digits, scale) = self.0.as_bigint_and_exponent();
        format!("{digits}e{}", -scale).parse().unwrap_or(f64::NAN)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(BigDecimal::from(value))
    }
}

/// As Java's `BigDecimal.toString`: `1E+3` is not `1000`.
impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, scale) = self.0.as_bigint_and_exponent();
        let sign = if digits.sign() == Sign::Minus { "-" } else { "" };
        let digits = digits.magnitude().to_string();
        let behind = usize::try_from(scale).unwrap_or(0);
        let adjusted = i64::try_from(digits.len()).unwrap_or(i64::MAX) - 1 - scale;
        if scale < 0 || adjusted < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(out, "{sign}{first}{point}{rest}E{adjusted:+}");
        }
        if behind == 0 {
            return write!(out, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = behind + 1);
        let (whole, fraction) = padded.split_at(padded.len() - behind);
        write!(out, "{sign}{whole}.{fraction}")
    }
}

fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

/// Dividend and divisor with `shift` more digits for the quotient.
fn shifted(dividend: &BigInt, divisor: &BigInt, shift: i64) -> (BigInt, BigInt) {
    if shift < 0 {
        (dividend.clone(), divisor * power_of_ten(-shift))
    } else {
        (dividend * power_of_ten(shift), divisor.clone())
    }
}

/// Takes zeros away from the end, down to the scale that Java prefers.
fn strip(mut digits: BigInt, mut scale: i64, preferred: i64) -> Option<Number> {
    if digits.is_zero() {
        return Number::checked(digits, scale.min(preferred));
    }
    while scale > preferred && (&digits % 10u32).is_zero() {
        digits /= 10u32;
        scale -= 1;
    }
    Number::checked(digits, scale)
}

/// The quotient as a whole number, rounded.
fn divide(dividend: &BigInt, divisor: &BigInt, mode: RoundingMode) -> BigInt {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    if rest.is_zero() {
        return quotient;
    }
    let negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
    let half = (rest.magnitude() * 2u32).cmp(divisor.magnitude());
    let away = match mode {
        RoundingMode::Up => true,
        RoundingMode::Down => false,
        RoundingMode::Ceiling => !negative,
        RoundingMode::Floor => negative,
        RoundingMode::HalfUp => half != Ordering::Less,
        RoundingMode::HalfDown => half == Ordering::Greater,
        RoundingMode::HalfEven => half == Ordering::Greater || (half == Ordering::Equal && quotient.bit(0)),
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, true) => quotient - 1,
        (true, false) => quotient + 1,
    }
}
