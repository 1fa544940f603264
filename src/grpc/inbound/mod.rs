//! The inbound limits: what callers may ask of this server, decided before a message is read. A
//! refusal touches no store, no policy and no AWS, and leaves no event.
//!
//! ```text
//!   address (calls that prove nobody)       before authentication
//!     -> caller: calls open, then rate      by the authenticated name
//!          -> slot, by the call's class     the whole server's
//! ```
//! What was taken on the way to a refusal is given back. Health is outside of all of it: a probe that
//! is refused would have a busy server restarted. Streams hold a slot until they have begun; how many
//! there are at once is bounded where they are opened (`access`, `watches`).
//!
//! Reading order: `config`, `methods` (costs and classes), `bucket`, `buckets`, `slots`, `refusals`.

mod allowances;
mod bucket;
mod buckets;
mod config;
mod methods;
mod refusals;
mod slots;

use std::net::{IpAddr, Ipv6Addr};

use tokio::time::Instant;

use self::allowances::Allowances;
use self::bucket::Rate;
use self::buckets::{Buckets, Taken};
use self::slots::{Slot, Slots};
use super::limits::{LimitsConfig, OpenCall, OpenCalls};
use crate::domain::CallerName;

pub use self::config::{CallerLimits, RatesConfig, SlotsConfig};
pub(super) use self::methods::Method;
pub(super) use self::refusals::Refusal;
pub use self::refusals::{RefusedInbound, RefusedInboundCount};

/// All inbound limits of a server.
pub(super) struct Inbound {
    began: Instant,
    addresses: Buckets<IpAddr>,
    address_rate: Rate,
    callers: Buckets<CallerName>,
    allowances: Allowances,
    open_calls: OpenCalls,
    slots: Slots,
    refused: RefusedInbound,
}

/// A call whose credentials are being looked at. Until they prove somebody it counts against its
/// address, also when its caller does not wait for the answer.
pub(super) struct Attempt<'a> {
    inbound: &'a Inbound,
    address: IpAddr,
    /// None: nothing was to be taken.
    taken: Option<Taken>,
}

/// A call that is let in; its places are taken until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    _open_call: OpenCall,
    _slot: Option<Slot>,
}

impl Inbound {
    pub(super) fn new(limits: &LimitsConfig, refused: RefusedInbound) -> Self {
        let rates = &limits.rates;
        let calls_max = limits.calls_per_caller_max;
        Self {
            began: Instant::now(),
            addresses: Buckets::new(rates.addresses_max),
            address_rate: Rate::new(rates.address_failures_per_second, rates.address_burst),
            callers: Buckets::new(rates.callers_max),
            allowances: Allowances::new(rates, calls_max, &limits.callers),
            open_calls: OpenCalls::new(calls_max),
            slots: Slots::new(&limits.slots),
            refused,
        }
    }

    /// Begins to look at the credentials of a call from `address`. Where too many from there proved
    /// nobody, only those are looked at that cost no signature check: `is_known` says so.
    ///
    /// # Errors
    /// `AddressRate`.
    pub(super) fn attempt(
        &self,
        address: IpAddr,
        is_known: impl FnOnce() -> bool,
    ) -> Result<Attempt<'_>, Refusal> {
        self.attempt_at(self.now(), address, is_known)
    }

    fn attempt_at(
        &self,
        now: u64,
        address: IpAddr,
        is_known: impl FnOnce() -> bool,
    ) -> Result<Attempt<'_>, Refusal> {
        let address = network_of(address);
        let taken = match self.addresses.take(&address, &self.address_rate, 1, now) {
            Ok(taken) => Some(taken),
            Err(_) if is_known() => None,
            Err(wait) => return Err(Refusal::AddressRate { wait }),
        };
        Ok(Attempt {
            inbound: self,
            address,
            taken,
        })
    }

    /// Lets a call of `caller` in. `takes_slot` is false for what the handlers do not serve.
    ///
    /// # Errors
    /// `CallerConcurrency`, `CallerRate`, `ServerBusy`; nothing is taken then.
    pub(super) fn admit(
        &self,
        caller: &CallerName,
        method: Method,
        takes_slot: bool,
    ) -> Result<Admitted, Refusal> {
        self.admit_at(self.now(), caller, method, takes_slot)
    }

    fn admit_at(
        &self,
        now: u64,
        caller: &CallerName,
        method: Method,
        takes_slot: bool,
    ) -> Result<Admitted, Refusal> {
        let allowance = self.allowances.of(caller);
        let open_call = self.open_calls.try_open_below(caller, allowance.calls_max);
        let open_call = open_call.ok_or(Refusal::CallerConcurrency)?;
        let (rate, cost) = (&allowance.rate, method.cost);
        let taken = self.callers.take(caller, rate, cost, now);
        let taken = taken.map_err(|wait| Refusal::CallerRate { wait })?;
        let class = method.class;
        let slot = takes_slot.then(|| self.slots.take(class));
        if matches!(slot, Some(None)) {
            self.callers.give_back(caller, rate, cost, taken);
            return Err(Refusal::ServerBusy { class });
        }
        Ok(Admitted {
            _open_call: open_call,
            _slot: slot.flatten(),
        })
    }

    /// Counts a refused call of somebody: a caller's name, or an address.
    pub(super) fn count(&self, refusal: Refusal, method: Method, who: &str) {
        self.refused.count(refusal, method.class, who, self.now());
    }

    /// Nanoseconds since the start, by a clock that nobody sets.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Attempt<'_> {
    /// The call does not count against its address.
    pub(super) fn forgive(self) {
        let Some(taken) = self.taken else {
            return;
        };
        let rate = &self.inbound.address_rate;
        let addresses = &self.inbound.addresses;
        addresses.give_back(&self.address, rate, 1, taken);
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since a host has all the rest for itself.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

#[cfg(test)]
mod tests;
