//! The options of a network, as one table. The parser, the suggestions and docs/options.md follow it.

/// One option that `docker network create -o key=value` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionRow {
    /// The key.
    pub key: &'static str,
    /// Other keys for the same option.
    pub aliases: &'static [&'static str],
    /// What a value may be.
    pub values: &'static str,
    /// What holds when the option is not given.
    pub default: &'static str,
}

/// Every option, in the order of the documentation.
pub const OPTIONS: &[OptionRow] = &[
    row(
        "host_iface",
        &["parent"],
        "an interface's name or altname, `eth1.20`, `eth1.100.20`",
        "`--host-interface`",
    ),
    row("vlan", &[], "`1` to `4094`, or `outer.inner`", "none"),
    row(
        "mode",
        &["macvlan_mode", "ipvlan_mode"],
        "`bridge` `private` `vepa` `passthru` (macvlan), `l2` `l3` `l3s` (ipvlan)",
        "`--mode`",
    ),
    row("ipvlan_flag", &[], "`bridge` `private` `vepa`", "`bridge`"),
    row("mtu", &["com.docker.network.driver.mtu"], "`68` to the parent's MTU", "the parent's"),
    row("vlan_protocol", &[], "`802.1q` `802.1ad`", "`802.1q`; for the outer of two tags `802.1ad`"),
    row("gvrp", &[], "`true` `false`", "the kernel's"),
    row("mvrp", &[], "`true` `false`", "the kernel's"),
    row("loose_binding", &[], "`true` `false`", "the kernel's"),
    row("reorder_hdr", &[], "`true` `false`", "the kernel's"),
    row("ingress_qos", &[], "`from:to` pairs, `0:1,5:6`", "none"),
    row("egress_qos", &[], "`from:to` pairs, `0:1,5:6`", "none"),
    row("mac", &[], "`ip` `random`", "`ip`"),
    row("iface_prefix", &["com.docker.network.container_iface_prefix"], "up to 12 characters", "`eth`"),
    row("bcqueuelen", &[], "`0` to `4294967295`", "the kernel's"),
];

/// The start of keys that belong to the engine itself; those not in the table are left alone.
pub const ENGINE_KEY_PREFIX: &str = "com.docker.network.";

const fn row(
    key: &'static str,
    aliases: &'static [&'static str],
    values: &'static str,
    default: &'static str,
) -> OptionRow {
    OptionRow { key, aliases, values, default }
}

/// The option's row that has `key` as its key or as an alias.
pub fn find(key: &str) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.key == key || row.aliases.contains(&key))
}

/// The known key that `typed` most likely stands for: within two edits (three for long keys), or equal but for
/// case and the choice of '-' or '_'.
pub fn nearest(typed: &str) -> Option<&'static str> {
    let plain = typed.to_lowercase().replace('-', "_");
    let limit = if plain.len() > 8 { 3 } else { 2 };
    OPTIONS
        .iter()
        .flat_map(|row| std::iter::once(&row.key).chain(row.aliases))
        .map(|key| (strsim::damerau_levenshtein(&plain, key), *key))
        .filter(|(distance, key)| *distance <= limit && *distance < key.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_option() {
        for (typed, key) in [
            ("vlam", "vlan"),
            ("vlan_id", "vlan"),
            ("VLAN", "vlan"),
            ("host-iface", "host_iface"),
            ("hostiface", "host_iface"),
            ("hots_iface", "host_iface"),
            ("parnet", "parent"),
            ("mac_vlan_mode", "macvlan_mode"),
            ("mdoe", "mode"),
        ] {
            if typed == "vlan_id" {
                assert_eq!(nearest(typed), None, "three edits from a four-letter key is a guess too far");
            } else {
                assert_eq!(nearest(typed), Some(key), "{typed}");
            }
        }
        assert_eq!(nearest("quality_of_service"), None);
        assert_eq!(nearest(""), None);
    }

    #[test]
    fn keys_are_unique() {
        let mut keys: Vec<_> =
            OPTIONS.iter().flat_map(|row| std::iter::once(&row.key).chain(row.aliases)).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
