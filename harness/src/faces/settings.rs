//! Settings that GiftGenius refuses to start with: all of them told at once, each where it stands, and no secret shown.

use std::path::Path;

use super::served::refused;
use super::{Faces, OTHER_TOKEN, TOKEN};

/// The exit code of unusable input.
const UNUSABLE: i32 = 2;

pub(super) fn hold(program: &Path, told: &mut Faces) -> Result<(), String> {
    let users = |list: &str| list.replace("ANN", TOKEN).replace("BOB", OTHER_TOKEN);
    for (name, value, says) in [
        ("GIFTGENIUS_USERS", " ".to_owned(), "missing"),
        ("GIFTGENIUS_USERS", users("ann=ANN,bob"), "entry 2"),
        ("GIFTGENIUS_USERS", users("=ANN"), "entry 1"),
        ("GIFTGENIUS_USERS", users("ann=ANN,bob="), "entry 2"),
        ("GIFTGENIUS_USERS", users("ann=ANN,bob=short"), "entry 2"),
        ("GIFTGENIUS_USERS", users("ann=with a blank inside"), "entry 1"),
        ("GIFTGENIUS_USERS", users("ann=ANN,bob=BOB,eve=ANN"), "entries 1 and 3"),
        ("GIFTGENIUS_TRUSTED_PROXIES", "10.0.0.0/33".to_owned(), "10.0.0.0/33"),
        ("GIFTGENIUS_TRUSTED_PROXIES", "::/129".to_owned(), "::/129"),
        ("GIFTGENIUS_PAYMENT_WEBHOOK_SECRET", "short".to_owned(), "WEBHOOK_SECRET"),
    ] {
        let (code, said) = refused(program, &[(name, &value)])?;
        told.hold(code == Some(UNUSABLE), || format!("{name}={value} came to {code:?}: {said}"));
        let names = said.contains(says) && said.contains(name);
        told.hold(names, || format!("{name}={value} was refused without `{says}` or its name: {said}"));
        let is_kept = [TOKEN, OTHER_TOKEN].iter().all(|token| !said.contains(token));
        told.hold(is_kept, || format!("{name} was refused, and a token was shown: {said}"));
    }
    Ok(())
}
