//! What a page says of INSTANCES and of DUPLICATE_USERS: a few numbers, and the rows.

use super::super::answer::Summary;
use super::about::About;
use super::markup::Html;
use super::section::{Figure, Glance};
use crate::domain::report::{DuplicateUserRow, InstanceRow, MatchKind, Reach};

/// The headings over the cells of INSTANCES.
pub(super) const OF_INSTANCES: [&str; 10] = [
    "Instance",
    "Owner",
    "Kind",
    "Region",
    "Reach",
    "#Users",
    "#Groups",
    "#Applications",
    "#Permission sets",
    "#Accounts",
];
/// The headings over the cells of DUPLICATE_USERS.
pub(super) const OF_DUPLICATE_USERS: [&str; 6] = [
    "User",
    "#Person",
    "#Stores",
    "What is shared",
    "Status",
    "Instance",
];

/// The counts of INSTANCES.
#[derive(Debug, Default)]
pub(in crate::audit) struct Instances {
    reached: u64,
    unreached: u64,
    unreached_accounts: u64,
}

/// The counts of DUPLICATE_USERS.
#[derive(Debug, Default)]
pub(in crate::audit) struct Duplicates {
    people: u64,
    person: String,
}

impl Instances {
    pub(super) fn count(&mut self, row: &InstanceRow) {
        if row.instance_arn.is_empty() {
            self.unreached_accounts += 1;
        } else if row.reach == Reach::Reachable.as_str() {
            self.reached += 1;
        } else {
            self.unreached += 1;
        }
    }

    pub(super) fn glance(&self, summary: &Summary) -> Glance {
        let mut lead = Html::default();
        lead.count(self.reached, "instance was", "instances were")
            .raw(" looked into.");
        if self.unreached + self.unreached_accounts > 0 {
            lead.raw(" Not so: ")
                .count(self.unreached, "instance", "instances")
                .raw(" and ");
            lead.count(self.unreached_accounts, "account", "accounts")
                .raw(".");
        }
        let number = |label, number: u64| Figure::new(label, |value| value.number(number), |_| ());
        let figures = vec![
            number("Instances", self.reached + self.unreached),
            number("Not looked into", self.unreached + self.unreached_accounts)
                .alarming_if(self.unreached + self.unreached_accounts > 0),
            number("Users", summary.user_count),
            number("Applications", summary.application_count),
            number("Permission sets", summary.permission_set_count),
            number("Accounts", summary.account_count),
        ];
        Glance {
            lead,
            figures,
            sections: Vec::new(),
        }
    }
}

impl Duplicates {
    /// Counts a row; those of one person come together.
    pub(super) fn count(&mut self, row: &DuplicateUserRow) {
        if self.person != row.person {
            self.person.clone_from(&row.person);
            self.people += 1;
        }
    }

    pub(super) fn glance(&self, about: &About, summary: &Summary) -> Glance {
        let mut lead = Html::default();
        if self.people == 0 {
            lead.raw("Nobody was found in more than one identity store.");
        } else {
            lead.count(self.people, "person is", "people are");
            lead.raw(" in more than one identity store, by email address or by the id that another system has for them.");
        }
        let instances = about.instances.len() as u64;
        let number = |label, number: u64| Figure::new(label, |value| value.number(number), |_| ());
        Glance {
            lead,
            figures: vec![
                number("People in several stores", self.people),
                number("Users that they have", summary.user_count),
                number("Instances compared", instances),
            ],
            sections: Vec::new(),
        }
    }
}

/// An instance's cells, in the order of the headings.
pub(super) fn instance_cells(row: &InstanceRow) -> Vec<Html> {
    let mut instance = Html::default();
    if row.instance_arn.is_empty() {
        instance.raw("<i>not known</i>");
    } else {
        let names = [&row.alias, &row.name, &row.instance_arn];
        let name = names.into_iter().find(|name| !name.trim().is_empty());
        instance
            .raw("<b>")
            .name(name.map_or("", |name| name))
            .raw("</b>");
        instance
            .raw("<small>")
            .text(&row.instance_arn)
            .raw("</small>");
        instance
            .raw("<small>")
            .text(&row.identity_store_id)
            .raw("</small>");
    }
    let mut owner = Html::default();
    if !row.owner_account_name.is_empty() {
        owner.name(&row.owner_account_name);
    }
    owner
        .raw("<small>")
        .text(&row.owner_account_id)
        .raw("</small>");
    let mut reach = Html::default();
    if row.reach == Reach::Reachable.as_str() {
        reach.raw("Looked into");
    } else {
        reach
            .raw("<em>Not looked into</em><span>")
            .text(&row.reason)
            .raw("</span>");
    }
    let mut cells = vec![instance, owner, plain(&row.kind), plain(&row.region), reach];
    cells.extend(
        [
            &row.user_count,
            &row.group_count,
            &row.application_count,
            &row.permission_set_count,
            &row.account_count,
        ]
        .map(|count| number(count)),
    );
    cells
}

/// The cells of a user of somebody who has several, in the order of the headings.
pub(super) fn duplicate_cells(row: &DuplicateUserRow) -> Vec<Html> {
    let mut user = Html::default();
    let names = [&row.display_name, &row.user_name, &row.user_id];
    let name = names.into_iter().find(|name| !name.trim().is_empty());
    user.raw("<b>")
        .name(name.map_or("", |name| name))
        .raw("</b>");
    for text in [&row.user_name, &row.email, &row.user_id] {
        if !text.is_empty() {
            user.raw("<small>").text(text).raw("</small>");
        }
    }
    let mut shared = Html::default();
    if row.match_kind == MatchKind::Email.as_str() {
        shared.raw("Email address ").name(&row.match_value);
    } else {
        shared.raw("External id ").name(&row.match_value);
        shared
            .raw("<small>of ")
            .name(&row.match_issuer)
            .raw("</small>");
    }
    let mut instance = plain(&row.instance_arn);
    instance
        .raw("<small>")
        .text(&row.identity_store_id)
        .raw("</small>");
    vec![
        user,
        number(&row.person),
        number(&row.store_count),
        shared,
        plain(&row.user_status),
        instance,
    ]
}

fn plain(text: &str) -> Html {
    let mut html = Html::default();
    html.text(text);
    html
}

/// A number that may be missing.
fn number(text: &str) -> Html {
    let mut html = Html::default();
    match text.parse() {
        Ok(number) => html.number(number),
        Err(_) if text.is_empty() => html.raw("–"),
        Err(_) => html.text(text),
    };
    html
}
