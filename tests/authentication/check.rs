//! What `usher check` and `usher policy check` say of policies, approvers, certificates and issuers,
//! against a simulated AWS.

use jiff::{SignedDuration, Timestamp};

use crate::endpoint::{Endpoint, Manner};
use crate::pki::{Authority, Pair, install};
use crate::record::Place;

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_services_that_are_nobody_are_told() {
    let place = Place::new().await;
    let folder = place.policies();
    let (folder, config) = (folder.to_str().unwrap(), place.config());
    let config = config.to_str().unwrap();
    let arguments = [
        "policy",
        "check",
        folder,
        "--against-aws",
        "--config",
        config,
    ];
    place.write_policies(
        "@id(\"asks\") @steps(\"1 of group:engineering; 1 of service:tikets\") @max_duration(\"1h\")\n\
         permit (principal in Usher::Group::\"engineering\", action == Usher::Action::\"Request\", resource);\n\
         @id(\"not-them\") forbid (principal in Usher::Group::\"aws-administrator\", \
         action == Usher::Action::\"Request\", resource);\n",
    );
    let (code, told) = place.command(&arguments).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("ok       group `engineering` is there"),
        "{told}"
    );
    let group = "missing  group `aws-administrator`: no instance has such a group";
    assert!(told.contains(group), "{told}");
    let (code, told) = place.check().await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(group), "{told}");
    assert!(
        told.contains("missing  approver service `tikets`"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn approver_groups_that_are_missing_or_empty_are_told() {
    let place = Place::new().await;
    place.simulator.edit_world(|world| {
        let engineering = world.group_named("engineering").unwrap().clone();
        let mut empty = engineering;
        empty.display_name = "empty".to_owned();
        empty.group_id = "9067642f2b-00000000-0000-4000-8000-0000000000ee".to_owned();
        world.groups.push(empty);
    });
    let policies = |approvers: &str| {
        format!(
            "@id(\"asks\") @approvals(\"1\") @approvers(\"{approvers}\") @max_duration(\"1h\")\n\
             permit (principal, action == Usher::Action::\"Request\", resource);\n"
        )
    };
    let folder = place.policies();
    let (folder, config) = (folder.to_str().unwrap(), place.config());
    let config = config.to_str().unwrap();
    let arguments = [
        "policy",
        "check",
        folder,
        "--against-aws",
        "--config",
        config,
    ];
    place.write_policies(&policies("group:engineering"));
    let (code, told) = place.command(&arguments).await;
    assert_eq!(code, Some(0), "{told}");
    let good = "ok       approver group `engineering` has members in arn:";
    assert!(told.contains(good), "{told}");

    for (group, why) in [
        ("nobodies", "no instance has such a group"),
        ("empty", "it is empty in arn:"),
    ] {
        place.write_policies(&policies(&format!("group:{group}")));
        let expected = format!("missing  approver group `{group}`: {why}");
        let (code, told) = place.command(&arguments).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&expected), "{told}");
        let (code, told) = place.check().await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&expected), "{told}");
        // Without being told to, nobody asks AWS.
        let (code, told) = place.command(&arguments[..3]).await;
        assert_eq!(code, Some(0), "{told}");
    }
}

/// A time as openssl writes it.
fn time(from_now: SignedDuration) -> String {
    let at = Timestamp::now() + from_now;
    at.strftime("%Y%m%d%H%M%SZ").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_keys_and_issuers_are_looked_at() {
    let place = Place::new().await;
    let file = |name: &str| place.files.path().join(name);
    let servers = Authority::new(place.files.path(), "servers");
    let installed = Pair {
        certificate: file("server.pem"),
        key: file("server.key"),
    };
    let endpoint = Endpoint::start(Manner::Answers(500, String::new())).await;
    place.write_config(&format!(
        "[[authentication.issuers]]\nname = \"away\"\nissuer = \"https://away.example.com\"\n\
         audiences = [\"usher\"]\njwks_url = \"{}\"\ncallers = \"PERSONS\"\nmatch_by = \"EMAIL\"\n\
         match_claim = \"email\"\n[tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
        endpoint.url(),
        installed.certificate.display(),
        installed.key.display()
    ));
    let day = SignedDuration::from_hours(24);
    let begin = time(-day * 9);
    let cases = [
        ("long", day * 400, "ok       certificate in "),
        ("soon", day * 12, "warning  certificate in "),
        ("over", -day, "missing  certificate in "),
    ];
    for (name, ends, expected) in cases {
        let times = [begin.as_str(), &time(ends)];
        install(
            &servers.issue_for(name, "DNS:usher.internal", times),
            &installed,
        );
        let (code, told) = place.check().await;
        // An issuer that does not answer is missing each time.
        assert_eq!(code, Some(1), "{told}");
        let line = told.lines().find(|line| line.contains("certificate in "));
        assert!(line.unwrap().starts_with(expected), "{name}: {told}");
        let missing = if name == "over" { 2 } else { 1 };
        assert!(
            told.contains(&format!("{missing} missing; see above")),
            "{told}"
        );
        assert!(
            told.contains("ok       issuer corp: 1 usable key"),
            "{told}"
        );
        let away = "missing  issuer away: its keys cannot be read: ";
        assert!(told.contains(away), "{told}");
        assert!(told.contains("ok       policies in "), "{told}");
    }
    let other = servers.issue("other", "DNS:usher.internal");
    std::fs::copy(&other.certificate, &installed.certificate).unwrap();
    let (_, told) = place.check().await;
    assert!(told.contains("missing  TLS: "), "{told}");
    assert!(told.contains("does not go with the private key"), "{told}");
    install(&other, &installed);
    let mut mode = std::fs::metadata(&installed.key).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o644);
    std::fs::set_permissions(&installed.key, mode).unwrap();
    let (_, told) = place.check().await;
    assert!(
        told.contains("missing  TLS: ") && told.contains("chmod 600"),
        "{told}"
    );
}
