//! How sure a share is that was measured on a sample: Wilson's interval, which holds for small samples and near 100 %.

/// The quantile of the normal distribution for 95 % on two sides.
const Z: f64 = 1.959_964;

/// The interval of 95 % for the share behind `hits` of `tries`; from 0 to 1 for no tries.
pub(crate) fn interval(hits: usize, tries: usize) -> (f64, f64) {
    if tries == 0 {
        return (0.0, 1.0);
    }
    let number = |count: usize| f64::from(u32::try_from(count).expect("fewer mutants than numbers"));
    let (hits, tries) = (number(hits), number(tries));
    let share = hits / tries;
    let scale = 1.0 + Z * Z / tries;
    let middle = (share + Z * Z / (2.0 * tries)) / scale;
    let half = Z / scale * (share * (1.0 - share) / tries + Z * Z / (4.0 * tries * tries)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(hits: usize, tries: usize) -> String {
        let (low, high) = interval(hits, tries);
        format!("{:.1} to {:.1}", low * 100.0, high * 100.0)
    }

    #[test]
    fn the_interval_is_the_one_of_the_textbook() {
        // Newcombe 1998, table I.
        assert_eq!(percent(81, 263), "25.5 to 36.6");
        assert_eq!(percent(15, 148), "6.2 to 16.0");
        assert_eq!(percent(0, 20), "0.0 to 16.1");
        assert_eq!(percent(1, 29), "0.6 to 17.2");
    }

    #[test]
    fn nothing_tried_is_nothing_known() {
        assert_eq!(percent(0, 0), "0.0 to 100.0");
    }
}
