//! Names of objects and mounts. The server cleans `..` away and would answer for another path, so such names are refused; each
//! segment is encoded when the URL is built.

/// The longest path. It keeps the URL below the limit of the crate `http`.
const LONGEST: usize = 1024;

/// Checks the name of an object: segments between slashes. Fails with a sentence.
pub fn check_name(name: &str) -> Result<(), String> {
    check("the name of an object", name)
}

/// Checks a version: a number from 1. Fails with a sentence.
pub fn check_version(version: &str) -> Result<u64, String> {
    let digits = version.bytes().all(|byte| byte.is_ascii_digit()) && version.len() <= 18;
    let number = version.parse::<u64>().ok().filter(|number| digits && *number > 0);
    number.ok_or_else(|| "version: must be a number from 1, for example 3".to_owned())
}

/// A mount without the slashes around it that Vault shows. Fails with a sentence that names the field.
pub(super) fn mount(field: &str, text: &str) -> Result<String, String> {
    let mount = text.strip_prefix('/').unwrap_or(text);
    let mount = mount.strip_suffix('/').unwrap_or(mount);
    check(field, mount)?;
    Ok(mount.to_owned())
}

fn check(field: &str, path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err(format!("{field}: must not be empty"));
    }
    if path.len() > LONGEST {
        return Err(format!("{field}: must have at most {LONGEST} bytes"));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("{field}: must not contain control characters"));
    }
    for segment in path.split('/') {
        if segment.is_empty() {
            return Err(format!(
                "{field}: must not begin or end with a slash, and must not contain `//`"
            ));
        }
        if matches!(segment, "." | "..") {
            return Err(format!("{field}: must not contain `.` or `..` between slashes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_server_would_clean_is_refused() {
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "a/./b",
            "a\nb",
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            &"x".repeat(1025),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn other_names_are_allowed() {
        for good in [
            "a", "a/b/c", "a.b", "...", "..a", "ä ö", "a%2e%2e", "%2e%2e", "a?b#c", "a\\b", "a b",
        ] {
            check_name(good).expect(good);
        }
    }

    #[test]
    fn a_mount_may_have_the_slashes_that_vault_shows() {
        assert_eq!(mount("path", "team/kv/").unwrap(), "team/kv");
        assert_eq!(mount("path", "/secret").unwrap(), "secret");
        for bad in ["", "/", "//", "a//", "..", "a/../b"] {
            assert!(mount("path", bad).unwrap_err().starts_with("path: "), "{bad:?}");
        }
    }

    #[test]
    fn a_version_is_a_number_from_one() {
        assert_eq!(check_version("17").unwrap(), 17);
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "1.0",
            "1a",
            " 1",
            "9999999999999999999",
            "99999999999999999999999",
        ] {
            assert!(check_version(bad).is_err(), "{bad:?}");
        }
    }
}
