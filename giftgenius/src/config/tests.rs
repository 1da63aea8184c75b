//! The configuration's sentences. Flags stand for the environment here: clap reads both into the same place.

use clap::CommandFactory as _;

use super::setting::SETTINGS;
use super::*;

const WHOLE: [&str; 10] = [
    "--journal",
    "/tmp/j.db",
    "--payment-url",
    "http://127.0.0.1:1",
    "--catalog-url",
    "http://127.0.0.1:2",
    "--inventory-url",
    "http://127.0.0.1:3",
    "--payment-api-key",
    "s3cret-key",
];

fn serve(flags: &[&str]) -> Result<ServeConfig, Vec<String>> {
    let cli = Cli::try_parse_from(["giftgenius", "serve"].iter().chain(flags)).unwrap();
    let Command::Serve(args) = cli.command else { panic!("not serve") };
    args.check().map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn whole_and(flags: &[&str]) -> Result<ServeConfig, Vec<String>> {
    serve(&[&WHOLE[..], flags].concat())
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_setting_names_a_flag_and_a_variable_that_exist() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for setting in SETTINGS {
        let argument = serve
            .get_arguments()
            .find(|a| a.get_long().map(|long| format!("--{long}")).as_deref() == Some(setting.flag));
        assert_eq!(argument.and_then(|a| a.get_env()).and_then(|env| env.to_str()), Some(setting.env));
    }
}

#[test]
fn a_pattern_among_the_allowed_hosts_is_refused() {
    for hosts in ["*", "shop.example,*.example"] {
        let errors = whole_and(&["--http", "127.0.0.1:0", "--users", "ann=s3cret-s3cret-16", "--allowed-hosts", hosts])
            .unwrap_err();
        assert!(
            errors.len() == 1 && errors[0].contains("--allowed-hosts") && errors[0].contains("list each name"),
            "{errors:?}"
        );
    }
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let errors = serve(&[]).unwrap_err();
    assert_eq!(
        errors,
        [
            "the journal's file is missing: give --journal or set GIFTGENIUS_JOURNAL, for example to /var/lib/giftgenius/journal.db",
            "the payment provider's URL is missing: give --payment-url or set GIFTGENIUS_PAYMENT_URL, for example to http://127.0.0.1:8081",
            "the catalog's URL is missing: give --catalog-url or set GIFTGENIUS_CATALOG_URL, for example to http://127.0.0.1:8082",
            "the inventory's URL is missing: give --inventory-url or set GIFTGENIUS_INVENTORY_URL, for example to http://127.0.0.1:8083",
            "the user on stdio is missing: give --user or set GIFTGENIUS_USER, for example to ann",
        ]
    );
}

#[test]
fn each_wrong_setting_is_one_sentence() {
    let cases: [(&[&str], &str); 10] = [
        (
            &["--http", "localhost", "--users", "ann=s3cret-s3cret-16"],
            "--http `localhost` is not an address such as 127.0.0.1:8080; give an IP address and a port",
        ),
        (
            &["--http", "127.0.0.1:0"],
            "the list of users is missing: give --users or set GIFTGENIUS_USERS, for example to ann=<token>,bob=<token>",
        ),
        (&["--user", " "], "the user on stdio is missing: give --user or set GIFTGENIUS_USER, for example to ann"),
        (
            &["--user", "a", "--tool-deadline", "25"],
            "the tool deadline (--tool-deadline or GIFTGENIUS_TOOL_DEADLINE) is `25`; write 25s, 500ms or 2m",
        ),
        (
            &["--user", "a", "--tool-deadline", "1ms"],
            "the tool deadline (--tool-deadline or GIFTGENIUS_TOOL_DEADLINE) is `1ms`; it can be 100ms to 5m",
        ),
        (
            &["--user", "a", "--payment-profile", "paypal"],
            "the payment profile (--payment-profile or GIFTGENIUS_PAYMENT_PROFILE) is `paypal`; it can be stripe, acp, keyless, keyless_no_cancel",
        ),
        (
            &["--http", "127.0.0.1:0", "--users", "s3cret"],
            "the list of users (--users or GIFTGENIUS_USERS) has no user=token in entry 1; separate entries by commas",
        ),
        (
            &["--user", "a", "--catalog-api-key", "s3 cret"],
            "the catalog's API key (--catalog-api-key or GIFTGENIUS_CATALOG_API_KEY) holds characters that an HTTP header cannot carry; was it copied whole?",
        ),
        (&["--user", ""], "the user on stdio is missing: give --user or set GIFTGENIUS_USER, for example to ann"),
        (
            &["--user", "a", "--tool-deadline", "99999999999999999999s"],
            "the tool deadline (--tool-deadline or GIFTGENIUS_TOOL_DEADLINE) is `99999999999999999999s`; write 25s, 500ms or 2m",
        ),
    ];
    for (flags, sentence) in cases {
        assert_eq!(whole_and(flags).unwrap_err(), [sentence], "{flags:?}");
    }
}

#[test]
fn an_https_provider_is_told_the_way_out() {
    let mut flags = WHOLE;
    flags[3] = "https://api.example.com";
    let errors = serve(&[&flags[..], &["--user", "a"]].concat()).unwrap_err();
    assert_eq!(
        errors,
        [
            "the payment provider's URL (--payment-url or GIFTGENIUS_PAYMENT_URL) begins with https, which giftgenius does not speak; give the http address of an egress proxy that does"
        ]
    );
}

#[test]
fn a_whole_configuration_is_taken() {
    let flags = [
        "--http",
        "127.0.0.1:0",
        "--users",
        "ann=s3cret-s3cret-16",
        "--allowed-hosts",
        "shop.example,shop.example:8443",
    ];
    let config =
        whole_and(&[&flags[..], &["--tool-deadline", "2m", "--payment-profile", "keyless_no_cancel"]].concat())
            .unwrap();
    assert_eq!(config.policy.tool_deadline, Duration::from_secs(120));
    assert_eq!(config.policy.payment_profile, PaymentProfile::KeylessNoCancel);
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let Face::Http { access, .. } = config.face else { panic!("not HTTP") };
    assert_eq!(access.allowed_hosts[3..], ["shop.example", "shop.example:8443"]);
}

#[test]
fn stdio_is_the_default_and_excludes_http() {
    assert!(matches!(whole_and(&["--user", "ann"]).unwrap().face, Face::Stdio(user) if user == "ann".into()));
    let both = ["giftgenius", "serve", "--stdio", "--http", "127.0.0.1:0"];
    assert!(Cli::try_parse_from(both).is_err());
}

#[test]
fn a_webhook_secret_is_taken_whole_or_not_at_all_and_does_not_show() {
    let taken = |secret: &str| whole_and(&["--user", "ann", "--payment-webhook-secret", secret]);
    assert!(whole_and(&["--user", "ann"]).unwrap().webhook_secret.is_none());
    assert!(taken("").unwrap().webhook_secret.is_none(), "an empty value takes it back");
    let config = taken("whsec_0123456789abcdef").unwrap();
    assert!(config.webhook_secret.is_some() && !format!("{config:?}").contains("0123"));
    assert_eq!(
        taken("whsec_cut").unwrap_err(),
        ["the webhook secret (--payment-webhook-secret or GIFTGENIUS_PAYMENT_WEBHOOK_SECRET) is shorter than 16 \
          characters; was it copied whole?"]
    );
}
