//! Two words at once at two replicas, many times over: one decision and one effect each, whoever comes first.
//! `USHER_RACES` says how many in total; 1,000 without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;
use usher::grpc::pb::{AssignRequest, Grant, GrantEventType as Event, GrantState};
use usher::simulator::Settings;

use super::cluster::Cluster;
use super::common::targets::empty_world;
use super::fleet::{Beginning, Fleet};
use super::lanes::{Lane, Voices, approve, assign, cancel, count, get, is_taken, over, revoke};
use super::people::{People, add_leads};

const RACES: usize = 1_000;
const LANES: usize = 12;
/// How long a grant lasts whose end meets its revocation.
const SHORT: Duration = Duration::from_millis(250);
/// The revocation comes so long before or after the end.
const AROUND_MILLISECONDS: u64 = 30;

/// What meets what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Race {
    SameRequestId,
    ApproveAndApprove,
    CancelAndApprove,
    RevokeAndRevoke,
    RevokeAndExpire,
}

/// In which order they come, again and again: those that AWS sees take longer and are fewer.
const ORDER: [Race; 10] = [
    Race::SameRequestId,
    Race::ApproveAndApprove,
    Race::CancelAndApprove,
    Race::SameRequestId,
    Race::RevokeAndRevoke,
    Race::SameRequestId,
    Race::ApproveAndApprove,
    Race::CancelAndApprove,
    Race::SameRequestId,
    Race::RevokeAndExpire,
];

/// What was wrong with a race; nothing, if all was right.
type Violations = Vec<String>;

fn check(violations: &mut Violations, is_right: bool, what: &str, grant: &Grant) {
    if !is_right {
        violations.push(format!("{what}: {grant:#?}"));
    }
}

/// What is answered where everything is to be taken.
fn taken<T>(violations: &mut Violations, answer: Result<T, tonic::Status>) -> Option<T> {
    let problem = |status: tonic::Status| violations.push(format!("{status:?}"));
    answer.map_err(problem).ok()
}

/// The same Assign twice at each replica at once: four answers with one grant.
async fn same_request_id(lane: &Lane, ticket: &str) -> Violations {
    let wish = lane.wish_for_later(ticket);
    let [here, there] = &lane.at;
    let answers = tokio::join!(
        assign(&here.requester, &wish),
        assign(&there.requester, &wish),
        assign(&here.requester, &wish),
        assign(&there.requester, &wish),
    );
    let mut violations = Violations::new();
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let grants = answers.map(|answer| taken(&mut violations, answer));
    let mut ids: Vec<String> = grants.into_iter().flatten().map(|grant| grant.id).collect();
    ids.sort();
    ids.dedup();
    if ids.len() > 1 {
        violations.push(format!("{ticket} made {ids:?}"));
    }
    violations
}

/// Two leads, or one lead twice, at two replicas.
async fn approve_and_approve(lane: &Lane, ticket: &str, is_one_person: bool) -> Violations {
    let [here, there] = &lane.at;
    let mut violations = Violations::new();
    let asked = assign(&here.requester, &lane.wish_for_agreement(ticket)).await;
    let Some(asked) = taken(&mut violations, asked) else {
        return violations;
    };
    let (first, second) = (&here.leads[0], &there.leads[usize::from(!is_one_person)]);
    let (first, second) = tokio::join!(approve(first, &asked), approve(second, &asked));
    taken(&mut violations, first);
    taken(&mut violations, second);
    let grant = get(&there.requester, &asked.id).await;
    let counted = (
        grant.state(),
        grant.reviews.len(),
        count(&grant, &[Event::Approved]),
        count(&grant, &[Event::Opened]),
    );
    let right = match is_one_person {
        true => (GrantState::PendingApproval, 1, 1, 0),
        false => (GrantState::Scheduled, 2, 2, 1),
    };
    check(&mut violations, counted == right, "agreements", &grant);
    violations
}

/// The last agreement at one replica, and who asked takes it back at the other.
async fn cancel_and_approve(lane: &Lane, ticket: &str) -> Violations {
    let [here, there] = &lane.at;
    let mut violations = Violations::new();
    let asked = assign(&here.requester, &lane.wish_for_agreement(ticket)).await;
    let Some(asked) = taken(&mut violations, asked) else {
        return violations;
    };
    taken(&mut violations, approve(&there.leads[0], &asked).await);
    let (approved, cancelled) = tokio::join!(
        approve(&here.leads[1], &asked),
        cancel(&there.requester, &asked)
    );
    let grant = get(&here.requester, &asked.id).await;
    let (approved, cancelled) = match (is_taken(&approved), is_taken(&cancelled)) {
        (Ok(approved), Ok(cancelled)) => (approved, cancelled),
        (approved, cancelled) => {
            violations.push(format!("{approved:?} {cancelled:?}: {grant:#?}"));
            return violations;
        }
    };
    // What has opened into a start to come can still be taken back.
    let is_right = cancelled
        && grant.state() == GrantState::Cancelled
        && count(&grant, &[Event::Cancelled]) == 1
        && count(&grant, &[Event::Opened]) == usize::from(approved)
        && grant.reviews.len() == 1 + usize::from(approved);
    check(
        &mut violations,
        is_right,
        "a cancel and an approval",
        &grant,
    );
    violations
}

const ENDINGS: [Event; 2] = [Event::RevokeRequested, Event::TimeOver];
const ENDS: [Event; 2] = [Event::EndedAssignmentGone, Event::EndedAssignmentKept];

fn check_end(violations: &mut Violations, grant: &Grant, states: &[GrantState]) {
    let is_right = states.contains(&grant.state())
        && count(grant, &ENDINGS) == 1
        && count(grant, &ENDS) == 1
        && count(grant, &[Event::Activated]) == 1;
    check(violations, is_right, "an end", grant);
}

/// Two revocations at two replicas.
async fn revoke_and_revoke(lane: &Lane, ticket: &str) -> Violations {
    let [here, there] = &lane.at;
    let mut violations = Violations::new();
    let given = assign(&here.requester, &lane.wish(ticket)).await;
    let Some(given) = taken(&mut violations, given) else {
        return violations;
    };
    check(
        &mut violations,
        given.state() == GrantState::Active,
        "active",
        &given,
    );
    let (first, second) = tokio::join!(
        revoke(&here.requester, &given.id),
        revoke(&there.requester, &given.id)
    );
    taken(&mut violations, first);
    taken(&mut violations, second);
    let grant = over(&there.requester, &given.id).await;
    check_end(&mut violations, &grant, &[GrantState::Revoked]);
    violations
}

/// A revocation at one replica while the time is over at all.
async fn revoke_and_expire(lane: &Lane, ticket: &str) -> Violations {
    let [here, there] = &lane.at;
    let mut violations = Violations::new();
    let wish = AssignRequest {
        duration: Some(SHORT.try_into().expect("a duration")),
        ..lane.wish(ticket)
    };
    let Some(given) = taken(&mut violations, assign(&here.requester, &wish).await) else {
        return violations;
    };
    if let Some(end) = given.end_time {
        let end = SystemTime::try_from(end).expect("a time");
        let moment = end + Duration::from_millis(fastrand::u64(..AROUND_MILLISECONDS * 2));
        let moment = moment - Duration::from_millis(AROUND_MILLISECONDS);
        // The moment itself is what is tried.
        let wait = moment.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(wait).await;
    }
    taken(&mut violations, revoke(&there.requester, &given.id).await);
    let grant = over(&here.requester, &given.id).await;
    let states = [GrantState::Revoked, GrantState::Expired];
    check_end(&mut violations, &grant, &states);
    violations
}

async fn run(lane: &Lane, race: Race, number: usize) -> Violations {
    let ticket = format!("race-{number}");
    match race {
        Race::SameRequestId => same_request_id(lane, &ticket).await,
        Race::ApproveAndApprove => approve_and_approve(lane, &ticket, number % 10 == 1).await,
        Race::CancelAndApprove => cancel_and_approve(lane, &ticket).await,
        Race::RevokeAndRevoke => revoke_and_revoke(lane, &ticket).await,
        Race::RevokeAndExpire => revoke_and_expire(lane, &ticket).await,
    }
}

/// Runs races in a lane until all are begun; then what AWS saw must be one effect each.
async fn run_lane(lane: Lane, races: usize, begun: Arc<AtomicUsize>) -> (Lane, usize, Violations) {
    let (mut violations, mut in_aws) = (Violations::new(), 0);
    loop {
        let number = begun.fetch_add(1, Ordering::Relaxed);
        if number >= races {
            return (lane, in_aws, violations);
        }
        let race = ORDER[number % ORDER.len()];
        let found = run(&lane, race, number).await;
        violations.extend(
            found
                .into_iter()
                .map(|it| format!("{race:?} {number}: {it}")),
        );
        in_aws += usize::from(matches!(
            race,
            Race::RevokeAndRevoke | Race::RevokeAndExpire
        ));
    }
}

fn races() -> usize {
    let wanted = std::env::var("USHER_RACES").ok();
    wanted.map_or(RACES, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn races_over_replicas_have_one_outcome() {
    let (people, mut world) = (People::new(), empty_world());
    add_leads(&mut world);
    let places: Vec<_> = (0..LANES)
        .map(|number| Lane::add(&mut world, number))
        .collect();
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: 2,
        url: cluster.url(),
        more: people.sections(),
    })
    .await;
    let at = [0, 1].map(|replica| Voices::of(&people, &fleet.roster, replica));
    let (began, races, begun) = (Instant::now(), races(), Arc::new(AtomicUsize::new(0)));
    let mut lanes = JoinSet::new();
    for (number, place) in places.into_iter().enumerate() {
        let mut at = at.clone();
        // No replica always comes first.
        at.rotate_left(number % 2);
        lanes.spawn(run_lane(Lane::new(number, place, at), races, begun.clone()));
    }
    let mut violations = Violations::new();
    for (lane, in_aws, found) in lanes.join_all().await {
        violations.extend(found);
        let effects = lane.effects(&fleet.simulator);
        if effects != (in_aws, in_aws) {
            let number = lane.number;
            violations.push(format!(
                "lane {number}: {effects:?} effects of {in_aws} races"
            ));
        }
    }
    let took = began.elapsed().as_secs_f64();
    let twice = "SELECT COUNT(*) FROM (SELECT ticket FROM grants GROUP BY ticket HAVING COUNT(*) > 1) AS it";
    let twice = cluster.number(twice).await;
    let count = violations.len();
    println!("{races} races in {took:.1} s; {twice} tickets with two grants");
    println!("figure replica_races {races} violations {count}");
    violations.truncate(5);
    assert_eq!((count, twice), (0, 0), "{violations:#?}");
}
