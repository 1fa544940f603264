//! Small violations, each found by its rule.

use super::*;
use crate::tree::file;

#[test]
fn arrows_that_turn_back_are_found() {
    for (path, text) in [
        ("src/domain/grant.rs", "use crate::store::Store;"),
        (
            "src/domain/plan/absent.rs",
            "use super::super::super::store::Store;",
        ),
        (
            "src/store/sqlite/rows.rs",
            "use crate::{domain::Grant, app::App};",
        ),
        (
            "src/grpc/access.rs",
            "fn f(x: crate::store::SqliteStore) {}",
        ),
        ("src/grpc/access.rs", "use crate::identity_center::Call;"),
        ("src/reconciler/mod.rs", "use crate::directory::Directory;"),
        (
            "src/simulator/world.rs",
            "mod tests { use crate::domain::Operation; }",
        ),
        ("src/clock.rs", "use crate::domain::Grant;"),
        ("src/app/assign.rs", "use crate as root;"),
        ("src/app/assign.rs", "use crate::*;"),
        ("src/lib.rs", "pub use crate::domain::Grant;"),
        ("src/novelty.rs", "//! new"),
    ] {
        assert_eq!(
            arrow_violations(&file(path, text)).len(),
            1,
            "{path}: {text}"
        );
    }
}

#[test]
fn arrows_that_point_down_are_not() {
    for (path, text) in [
        (
            "src/domain/grant.rs",
            "use super::ids; use crate::domain::aws;",
        ),
        (
            "src/app/assign.rs",
            "use super::view; use crate::store::Store; // crate::grpc",
        ),
        (
            "src/grpc/convert/fields.rs",
            "use crate::directory::{ApplicationQuery, PrincipalQuery};",
        ),
        ("src/cli/serve.rs", "use crate::grpc::Server;"),
        ("src/main.rs", "use usher::simulator;"),
    ] {
        assert_eq!(
            arrow_violations(&file(path, text)),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}

#[test]
fn foreign_crates_are_found() {
    for (path, text) in [
        ("src/app/assign.rs", "use tonic::Status;"),
        ("src/cli/serve.rs", "use tonic;"),
        (
            "src/app/assign.rs",
            "fn f() -> tonic_types::ErrorDetails {}",
        ),
        ("src/audit/mod.rs", "#[derive(prost::Message)] struct A;"),
        ("src/reconciler/mod.rs", "use {sqlx::Pool as P};"),
        ("src/app/mod.rs", "extern crate sqlx;"),
        ("src/simulator/mod.rs", "use aws_sdk_ssoadmin::Client;"),
        ("src/directory/mod.rs", "type A = ::aws_smithy_types::Blob;"),
        ("src/app/mod.rs", "use cedar_policy::PolicySet;"),
    ] {
        assert_eq!(
            foreign_violations(&file(path, text)).len(),
            1,
            "{path}: {text}"
        );
    }
    let allowed = file(
        "src/grpc/server.rs",
        "use tonic::Status; use aws_lc_rs::digest;",
    );
    assert_eq!(foreign_violations(&allowed), Vec::<String>::new());
}

#[test]
fn input_and_output_in_domain_is_found() {
    for text in [
        "use tokio::time::sleep;",
        "use std::fs;",
        "fn f() { std::env::var(\"A\"); }",
    ] {
        let found = domain_violations(&file("src/domain/grant.rs", text));
        assert_eq!(found.len(), 1, "{text}");
    }
    let elsewhere = file("src/store/mod.rs", "use tokio::time::sleep;");
    assert_eq!(domain_violations(&elsewhere), Vec::<String>::new());
}

#[test]
fn readers_of_the_clock_are_found() {
    for (path, text, count) in [
        ("src/app/assign.rs", "let a = Timestamp::now();", 1),
        ("src/audit/mod.rs", "std::time::SystemTime::now()", 1),
        ("src/audit/mod.rs", "x.map(jiff::Timestamp::now)", 1),
        ("src/domain/plan.rs", "let a = Instant::now();", 1),
        ("src/app/wait.rs", "let a = Instant::now();", 0),
        ("src/clock.rs", "let a = Timestamp::now();", 0),
        (
            "src/authentication/development.rs",
            "let a = Timestamp::now();",
            0,
        ),
    ] {
        assert_eq!(
            clock_violations(&file(path, text)).len(),
            count,
            "{path}: {text}"
        );
    }
}
