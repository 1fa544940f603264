//! What there is to give, and to whom: from the last collection without a question to AWS, or from AWS where
//! somebody wants it newer.

use prost_types::Duration;
use tonic::Status;
use usher::grpc::pb::{
    ListAccountsRequest, ListApplicationsRequest, ListPermissionSetsRequest, ListPrincipalsRequest,
    PrincipalType,
};
use usher::simulator::User;

use super::common::{TestService, in_time, reason};
use super::list_all::collect;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Applications,
    Accounts,
    PermissionSets,
    Users,
    Groups,
}

const LISTS: [List; 5] = [
    List::Applications,
    List::Accounts,
    List::PermissionSets,
    List::Users,
    List::Groups,
];

/// A page, as texts that begin with the id, and the next page's token.
async fn page(
    service: &TestService,
    list: List,
    how: (i32, Option<Duration>),
    page_token: String,
) -> Result<(Vec<String>, String), Status> {
    let mut directory = service.directory();
    let (page_size, max_age) = how;
    Ok(match list {
        List::Applications => {
            let request = ListApplicationsRequest {
                page_size,
                page_token,
                max_age,
                ..ListApplicationsRequest::default()
            };
            let answer = directory.list_applications(in_time(request)).await?;
            let answer = answer.into_inner();
            let rows = answer.applications.into_iter();
            let rows = rows.map(|row| format!("{} {row:?}", row.application_arn));
            (rows.collect(), answer.next_page_token)
        }
        List::Accounts => {
            let request = ListAccountsRequest {
                page_size,
                page_token,
                max_age,
                ..ListAccountsRequest::default()
            };
            let answer = directory
                .list_accounts(in_time(request))
                .await?
                .into_inner();
            let rows = answer.accounts.into_iter();
            let rows = rows.map(|row| format!("{} {row:?}", row.account_id));
            (rows.collect(), answer.next_page_token)
        }
        List::PermissionSets => {
            let request = ListPermissionSetsRequest {
                page_size,
                page_token,
                max_age,
                ..ListPermissionSetsRequest::default()
            };
            let answer = directory.list_permission_sets(in_time(request)).await?;
            let answer = answer.into_inner();
            let rows = answer.permission_sets.into_iter();
            let rows = rows.map(|row| format!("{} {row:?}", row.permission_set_arn));
            (rows.collect(), answer.next_page_token)
        }
        List::Users => principals(service, PrincipalType::User, how, page_token).await?,
        List::Groups => principals(service, PrincipalType::Group, how, page_token).await?,
    })
}

async fn principals(
    service: &TestService,
    kind: PrincipalType,
    (page_size, max_age): (i32, Option<Duration>),
    page_token: String,
) -> Result<(Vec<String>, String), Status> {
    let request = ListPrincipalsRequest {
        r#type: kind.into(),
        page_size,
        page_token,
        max_age,
        ..ListPrincipalsRequest::default()
    };
    let mut directory = service.directory();
    let answer = directory.list_principals(in_time(request)).await?;
    let answer = answer.into_inner();
    let rows = answer.principals.into_iter().map(|row| {
        let id = row.principal.as_ref().map(|it| it.id.clone());
        format!("{} {row:?}", id.unwrap_or_default())
    });
    Ok((rows.collect(), answer.next_page_token))
}

/// All pages.
async fn all(service: &TestService, list: List, how: (i32, Option<Duration>)) -> Vec<String> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let (more, next) = page(service, list, how, token).await.expect("a page");
        rows.extend(more);
        token = next;
        if token.is_empty() {
            return rows;
        }
    }
}

const ANY_AGE: (i32, Option<Duration>) = (100, None);
const NOW: (i32, Option<Duration>) = (
    100,
    Some(Duration {
        seconds: 0,
        nanos: 0,
    }),
);

/// A user who is assigned nowhere.
fn add_user(service: &TestService, name: &str, digit: char) {
    service.simulator.edit_world(|world| {
        let like = world.users.first().cloned().expect("a user");
        world.users.push(User {
            user_id: format!("{}{digit}", &like.user_id[..like.user_id.len() - 1]),
            user_name: name.to_owned(),
            ..like
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_answers_as_aws_does_from_what_was_collected() {
    let service = TestService::start().await;
    add_user(&service, "nobody.special", 'a');
    let mut of_aws = Vec::new();
    for list in LISTS {
        let mut rows = all(&service, list, ANY_AGE).await;
        assert!(rows.len() > 1, "{list:?}");
        rows.sort();
        of_aws.push(rows);
    }
    assert!(of_aws[3].iter().any(|row| row.contains("nobody.special")));
    collect(&service).await;
    let before = service.simulator.calls().len();
    for (list, of_aws) in LISTS.into_iter().zip(&of_aws) {
        for page_size in [1, 2, 100] {
            let kept = all(&service, list, (page_size, None)).await;
            assert_eq!(&kept, of_aws, "{list:?} in pages of {page_size}");
        }
    }
    assert_eq!(service.simulator.calls().len(), before, "AWS was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_a_list_newer_than_the_last_collection_has_aws_read() {
    let service = TestService::start().await;
    collect(&service).await;
    let kept = all(&service, List::Users, ANY_AGE).await;
    add_user(&service, "new.here", 'b');
    assert_eq!(all(&service, List::Users, ANY_AGE).await, kept);
    let hour = Some(Duration {
        seconds: 3600,
        nanos: 0,
    });
    assert_eq!(all(&service, List::Users, (100, hour)).await, kept);
    let before = service.simulator.calls().len();
    for list in LISTS {
        let now = all(&service, list, NOW).await;
        let is_new = now.iter().any(|row| row.contains("new.here"));
        assert_eq!(is_new, list == List::Users, "{list:?}");
    }
    assert!(service.simulator.calls().len() > before, "AWS was asked");
    let refused = Some(Duration {
        seconds: -1,
        nanos: 0,
    });
    for list in LISTS {
        let refused = page(&service, list, (100, refused), String::new()).await;
        let refused = refused.expect_err("no age");
        assert_eq!(reason(&refused), "FIELD_INVALID", "{list:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_directory_are_of_one_collection() {
    let service = TestService::start().await;
    collect(&service).await;
    let whole = all(&service, List::Users, ANY_AGE).await;
    let (mut rows, token) = page(&service, List::Users, (2, None), String::new())
        .await
        .expect("a page");
    add_user(&service, "in.between", 'c');
    collect(&service).await;
    let rest = page(&service, List::Users, (100, None), token).await;
    rows.extend(rest.expect("a page").0);
    assert_eq!(rows, whole);
    let now = all(&service, List::Users, ANY_AGE).await;
    assert_eq!(now.len(), whole.len() + 1);
    // A list that began with AWS goes on there.
    assert_eq!(
        all(&service, List::Users, (2, NOW.1)).await.len(),
        now.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_not_read_to_its_end_is_asked_of_aws() {
    use usher::simulator::{Fault, FaultAction};
    let service = TestService::start().await;
    let denied = Fault::new("ListGroups", FaultAction::AccessDenied);
    service.simulator.add_fault(denied.times(1));
    collect(&service).await;
    let before = service.simulator.calls().len();
    let groups = all(&service, List::Groups, ANY_AGE).await;
    assert_eq!(groups.len(), service.simulator.world().groups.len());
    assert!(service.simulator.calls().len() > before, "AWS was asked");
}
