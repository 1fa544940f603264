//! AWS gives less for a while, as when others use the quota, and comes back.

use std::time::Duration;

use usher::simulator::Settings;

use crate::stage::{
    PER_SECOND, auditors, calls_between, figure, of_sso_admin, seconds_now, service, settings,
    throttled_percent,
};

/// What AWS gives meanwhile.
const FALLEN_PER_SECOND: f64 = 8.0;

/// A time at the full rate, the same at the fallen one, and twice that after it.
pub(crate) async fn run(time: Duration) {
    let service = service(settings(3.0)).await;
    let auditing = auditors(&service, 4).await;
    let from = seconds_now();
    tokio::time::sleep(time).await;
    let fallen = Settings {
        sso_admin_rate_per_second: Some(FALLEN_PER_SECOND),
        identity_store_rate_per_second: Some(FALLEN_PER_SECOND),
        ..settings(3.0)
    };
    let set = |settings| service.simulator.set_settings(settings).expect("settings");
    set(fallen);
    let fell_at = seconds_now();
    tokio::time::sleep(time).await;
    set(settings(3.0));
    let back_at = seconds_now();
    tokio::time::sleep(time * 2).await;
    let to = seconds_now();
    let all = calls_between(&service.simulator, from, to);
    figure("fall_throttled", throttled_percent(&all), "%", "<=1");
    let meanwhile = calls_between(&service.simulator, fell_at, back_at);
    let meanwhile = of_sso_admin(&meanwhile) * 100.0 / (FALLEN_PER_SECOND * (back_at - fell_at));
    figure("fall_rate_used_meanwhile", meanwhile, "%", "-");
    // The first ten seconds after it that were used in full.
    let mut full_after = f64::NAN;
    let mut second = 0.0;
    while back_at + second + 10.0 <= to {
        let begin = back_at + second;
        let calls = calls_between(&service.simulator, begin, begin + 10.0);
        if of_sso_admin(&calls) >= PER_SECOND * 10.0 * 0.98 {
            full_after = second;
            break;
        }
        second += 1.0;
    }
    figure("fall_full_rate_after", full_after, "s", "<=60");
    drop(auditing);
}
