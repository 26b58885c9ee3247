//! What somebody may have meant.

/// The candidate that is nearest to a misspelt word, if one is near enough: about one letter in three may differ.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let distances = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, near)| near)
}

/// `; did you mean …?`, or nothing.
pub(super) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// How many letters must be put in, taken out or changed; capitals count as small letters, `_` as `-`.
fn distance(left: &str, right: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('_', "-").chars().collect::<Vec<_>>();
    let (left, right) = (plain(left), plain(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_too_many_or_a_capital_is_near_and_another_word_is_not() {
        let words = ["timeout", "onUnknown", "outputs"];
        assert_eq!(nearest("time-out", words), Some("timeout"));
        assert_eq!(nearest("onunknown", words), Some("onUnknown"));
        assert_eq!(nearest("output", words), Some("outputs"));
        assert_eq!(nearest("deadline", words), None);
        assert_eq!(meant("x", words), "");
    }
}
