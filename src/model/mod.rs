//! The words of the domain, and the rules that need nothing but the words.
//!
//! Everything here is a checked value: it is parsed once, at the edge, and trusted from then on. No module of
//! this folder does I/O or names another module of the crate (`tests/architecture.rs` holds that), so each rule
//! can be read and tested alone.
//!
//! A newcomer starts at [`options`] (what a user can say), then [`network`] (what it means once defaults are
//! filled in), then [`endpoint`] (one container on one network).

pub mod address;
pub mod endpoint;
pub mod ids;
pub mod interface;
pub mod link_name;
pub mod mac;
pub mod mode;
pub mod mtu;
pub mod network;
pub mod option_table;
pub mod options;
pub mod qos;
pub mod status;
pub mod vlan;

/// Gives a checked newtype over a string its conversions: `TryFrom<String>` for serde, `FromStr`, `Display`,
/// `AsRef<str>`. `check` is a function from `&str` to `Result<(), Error>`.
macro_rules! checked_string {
    ($name:ident, $error:ty, $check:path) => {
        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                $check(text).map(|()| Self(text.to_owned()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                $check(&text).map(|()| Self(text))
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use checked_string;

/// The first `N` bytes of the SHA-256 of `parts`, each part ended by a zero byte so that ("a", "bc") and
/// ("ab", "c") differ. Names and MAC addresses are derived with it.
pub(crate) fn digest<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    let full = hasher.finalize();
    std::array::from_fn(|i| full[i])
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
