//! Lists: limits of pages, odd pages, sealed tokens.

use std::collections::BTreeSet;

use usher::simulator::{Settings, Switches, World, WorldSizes};

use super::{Bench, code};

fn sizes() -> WorldSizes {
    WorldSizes {
        applications: 120,
        groups: 130,
        users: 250,
        ..WorldSizes::default()
    }
}

#[tokio::test]
async fn pages_keep_to_the_models_limits() {
    let bench = Bench::with(
        World::generate(3, &sizes()),
        Switches::default(),
        Settings::unlimited(),
    )
    .await;
    let applications = bench
        .sso
        .list_applications()
        .instance_arn(&bench.instance_arn);
    let page = applications
        .clone()
        .max_results(100)
        .send()
        .await
        .expect("a page");
    assert_eq!(page.applications().len(), 50);
    let page = applications
        .clone()
        .max_results(7)
        .send()
        .await
        .expect("a page");
    assert_eq!(page.applications().len(), 7);
    let token = page.next_token().expect("more").to_owned();
    let next = applications
        .clone()
        .max_results(7)
        .next_token(&token)
        .send()
        .await;
    assert_ne!(
        next.expect("a page").applications()[0],
        page.applications()[6]
    );
    // Another parameter, another operation, a broken token.
    for call in [
        applications.clone().max_results(8).next_token(&token),
        applications.clone().next_token(&token),
        applications
            .clone()
            .max_results(7)
            .next_token(&token[..token.len() - 4]),
    ] {
        assert_eq!(
            call.send().await.map_err(code).err().as_deref(),
            Some("ValidationException")
        );
    }
    let elsewhere = bench
        .sso
        .list_application_providers()
        .max_results(7)
        .next_token(&token);
    assert!(elsewhere.send().await.is_err());
    let users = bench.store.list_users().identity_store_id(&bench.store_id);
    assert_eq!(users.send().await.expect("a page").users().len(), 100);
}

#[tokio::test]
async fn instances_come_ten_on_a_page() {
    let mut world = World::demo();
    for at in 0..12 {
        let mut instance = world.instances[0].clone();
        instance.instance_arn = format!("arn:aws:sso:::instance/ssoins-{at:016}");
        instance.identity_store_id = format!("d-{at:010}");
        world.instances.push(instance);
    }
    let bench = Bench::with(world, Switches::default(), Settings::unlimited()).await;
    let page = bench
        .sso
        .list_instances()
        .max_results(100)
        .send()
        .await
        .expect("a page");
    assert_eq!(page.instances().len(), 10);
    let rest = bench
        .sso
        .list_instances()
        .max_results(100)
        .set_next_token(page.next_token);
    assert_eq!(rest.send().await.expect("a page").instances().len(), 3);
}

#[tokio::test]
async fn odd_pages_hide_nothing_from_who_follows_the_token() {
    let settings = Settings {
        odd_page_rate: 0.7,
        omitted_list_rate: 1.0,
        ..Settings::unlimited()
    };
    let world = World::generate(4, &sizes());
    let bench = Bench::with(world.clone(), Switches::default(), settings).await;
    let mut pages = bench
        .store
        .list_users()
        .identity_store_id(&bench.store_id)
        .max_results(20)
        .into_paginator()
        .send();
    let (mut ids, mut counts) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        counts.push(page.users().len());
        ids.extend(page.users.into_iter().map(|user| user.user_id));
    }
    assert!(counts.contains(&0) && counts.contains(&10), "{counts:?}");
    let truth: BTreeSet<String> = world
        .users
        .iter()
        .map(|user| user.user_id.clone())
        .collect();
    assert_eq!(ids.len(), truth.len());
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), truth);

    for application in &world.applications {
        let rows: Vec<_> = bench
            .sso
            .list_application_assignments()
            .application_arn(&application.application_arn)
            .max_results(3)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .expect("assignments");
        let truth = world.assignments_of(&application.application_arn);
        assert_eq!(rows.len(), truth.len());
    }
}
