//! Tests of the plan: random histories against a model of AWS, and each rule by itself.
//!
//! A history is made from a seed, which a failure prints with everything that happened.

mod auditor;
mod aws;
mod case;
mod directed;
mod pending;
mod refusals;
mod requests;
mod unheard;
mod world;

use self::auditor::Verdict;
use self::aws::Maker;
use self::world::{Weather, World};
use crate::domain::{ErrorKind, GrantState, Standing};

/// Histories of each kind of weather; `USHER_PLAN_HISTORIES` asks for more.
const HISTORIES: u64 = 4000;
/// Runs after which everything has come to rest once the faults stopped: the longest backoff is
/// short against the give-up time, and grants last at most 4000 seconds.
const RUNS_TO_REST_MAX: usize = 400;

fn history(world: &mut World, initially_present: bool) -> Verdict {
    for _ in 0..world.rng.usize(3..12) {
        match world.rng.u8(..if world.weather.others { 12 } else { 10 }) {
            0..=3 => world.request_grant()?,
            4 | 5 => world.revoke_some_grant()?,
            6 => world.remove_assignment()?,
            7..=9 => {}
            _ => world.others_change(),
        }
        let seconds = *world
            .rng
            .choice([0, 1, 5, 40, 100, 290, 380, 800, 4000].iter())
            .unwrap();
        if world.rng.u8(..10) == 0 {
            // Nobody works for a while.
            world.pass(seconds);
        } else {
            world.live(seconds)?;
        }
    }
    let others = world.weather.others;
    world.weather.faulty = false;
    world.weather.others = false;
    world.note(|_| "the faults stop".to_owned());
    for _ in 0..RUNS_TO_REST_MAX {
        let Some(due) = world.record.next_attempt_at else {
            return rest_is_right(world, initially_present, others);
        };
        let seconds = due.duration_since(world.now).as_secs().max(0) + 1;
        world.live(seconds)?;
    }
    Err("nothing comes to rest".to_owned())
}

/// What must be true when nothing is left to do.
fn rest_is_right(world: &World, initially_present: bool, others: bool) -> Verdict {
    for grant in world.open_grants() {
        if grant.state != GrantState::Active {
            return Err(format!("{} rests in {:?}", grant.id, grant.state));
        }
    }
    if others {
        // Others may have removed or made it: only the promises at each step count.
        return Ok(());
    }
    let truth = world.aws.truth();
    if world.has_live_grant() {
        return match truth {
            None if !world.found_missing => Err("a live grant has no assignment".to_owned()),
            _ => Ok(()),
        };
    }
    match truth {
        Some(Maker::Usher) => Err("an ended grant's assignment stands".to_owned()),
        None if initially_present && !world.was_removed => {
            Err("a standing assignment is gone".to_owned())
        }
        None if world.record.standing != Standing::Unknown => {
            Err("a mark outlives its assignment".to_owned())
        }
        _ => Ok(()),
    }
}

/// Runs many histories of one kind of weather, for each kind of target.
fn check(weather: Weather, first_seed: u64) {
    for is_asynchronous in [false, true] {
        let weather = Weather {
            is_asynchronous,
            ..weather
        };
        check_target(weather, first_seed + 500_000 * u64::from(is_asynchronous));
    }
}

fn check_target(weather: Weather, first_seed: u64) {
    let histories = std::env::var("USHER_PLAN_HISTORIES")
        .map_or(HISTORIES, |count| count.parse().expect("a number"));
    for seed in first_seed..first_seed + histories {
        let attempt = |traced: bool| {
            let initially_present = seed % 3 == 0;
            let mut world = World::new(seed, initially_present, weather);
            world.trace = traced.then(Vec::new);
            let verdict = history(&mut world, initially_present);
            (verdict, world.trace.unwrap_or_default())
        };
        if attempt(false).0.is_err() {
            let (verdict, trace) = attempt(true);
            panic!("seed {seed}: {verdict:?}\n{}", trace.join("\n"));
        }
    }
}

#[test]
fn histories_with_faults_keep_every_promise() {
    let weather = Weather {
        faulty: true,
        others: false,
        refuses: None,
        is_asynchronous: false,
    };
    check(weather, 0);
}

#[test]
fn histories_in_calm_weather_keep_every_promise() {
    let weather = Weather {
        faulty: false,
        others: false,
        refuses: None,
        is_asynchronous: false,
    };
    check(weather, 1_000_000);
}

#[test]
fn histories_with_others_beside_keep_every_promise() {
    let weather = Weather {
        faulty: true,
        others: true,
        refuses: None,
        is_asynchronous: false,
    };
    check(weather, 2_000_000);
}

#[test]
fn histories_in_which_aws_refuses_keep_every_promise() {
    for (index, kind) in [
        ErrorKind::Validation,
        ErrorKind::AccessDenied,
        ErrorKind::QuotaExceeded,
        ErrorKind::OperationFailed,
    ]
    .into_iter()
    .enumerate()
    {
        let weather = Weather {
            faulty: true,
            others: false,
            refuses: Some(kind),
            is_asynchronous: false,
        };
        check(weather, 3_000_000 + 1_000_000 * index as u64);
    }
}
