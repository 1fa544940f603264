//! Who a connection and its credentials prove, put together: certificate and token must agree, and
//! only services act for others. What anybody may do with it is policy's.

use std::sync::Arc;

use futures_util::future::join_all;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::certificates::{CertificateServices, PeerCertificate};
use super::config::AuthenticationConfig;
use super::credentials::{self, SUBJECT_TOKEN};
use super::development::DevelopmentTokens;
use super::issuer::{Client, Holder};
use super::problem::{AuthenticationError, CredentialProblem, ProblemKind};
use super::token_header;
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::domain::{Authenticated, Identity, Person};

/// Beginnings of the names of services and persons, which no development token may have.
const KEPT_BEGINNINGS: [&str; 4] = ["service:", "person:", "user:", "for:"];

/// Answers who calls.
pub struct Authenticator {
    developers: Option<DevelopmentTokens>,
    tokens: Tokens,
    services: CertificateServices,
    credential_bytes_max: usize,
}

impl Authenticator {
    /// Prepares everything and reads every key set once. A file that cannot be read is a mistake;
    /// a URL that does not answer is an outage, which stops no start: it is tried again by `run`.
    ///
    /// # Errors
    /// A sentence: a key set's file or a CA's file cannot be used.
    pub async fn start(
        config: &AuthenticationConfig,
        developers: Option<DevelopmentTokens>,
        clock: Clock,
    ) -> Result<Self, AuthenticationError> {
        let tokens = Tokens::new(config, clock)?;
        let looks = tokens.issuers().iter().map(|issuer| issuer.keys.look());
        for (issuer, looked) in tokens.issuers().iter().zip(join_all(looks).await) {
            match looked {
                Err(problem) if issuer.keys.is_file() => {
                    let name = issuer.keys.issuer();
                    return Err(AuthenticationError(format!(
                        "{name}: `jwks_file`: {problem}"
                    )));
                }
                Err(problem) => tracing::warn!(
                    issuer = issuer.keys.issuer(),
                    problem,
                    "the keys could not be read; they are tried again"
                ),
                Ok(()) => {}
            }
        }
        Ok(Self {
            developers,
            tokens,
            services: CertificateServices::new(&config.certificates),
            credential_bytes_max: config.credential_bytes_max,
        })
    }

    /// Whether development tokens are accepted.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.developers.is_some()
    }

    /// Keeps the keys of every issuer young, until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        let keeping = self.tokens.issuers().iter();
        join_all(keeping.map(|issuer| issuer.keys.run(stop.clone()))).await;
    }

    /// Who calls, by the certificate of the connection and the headers of the call.
    ///
    /// # Errors
    /// Why the credentials prove nobody.
    pub async fn authenticate(
        &self,
        peer: Option<&PeerCertificate>,
        headers: &HeaderMap,
    ) -> Result<Authenticated, CredentialProblem> {
        let certified = peer.map(|peer| self.services.service(peer)).transpose()?;
        let token = credentials::bearer(headers, self.credential_bytes_max)?;
        if let Some(developers) = &self.developers
            && let Some(token) = token
            && !self.is_of_an_issuer(token)
        {
            return authenticate_developer(developers, token, headers);
        }
        let caller = match (token, certified) {
            (None, None) => {
                return Err(CredentialProblem::missing(self.wanted()));
            }
            (None, Some(service)) => Identity::Service(service.to_owned()),
            (Some(token), certified) => self.identify(token, certified).await?,
        };
        self.acting(caller, headers).await
    }

    /// Whether looking at these credentials costs no signature check: a client certificate alone, which
    /// the handshake has proved, or tokens that are remembered as verified. Says nothing of whether
    /// they are good.
    #[must_use]
    pub fn is_known(&self, peer: Option<&PeerCertificate>, headers: &HeaderMap) -> bool {
        let bytes_max = self.credential_bytes_max;
        let tokens = (
            credentials::bearer(headers, bytes_max),
            credentials::subject_token(headers, bytes_max),
        );
        let (Ok(own), Ok(subject)) = tokens else {
            return false;
        };
        (own.is_some() || peer.is_some())
            && [own, subject]
                .into_iter()
                .flatten()
                .all(|token| self.tokens.remembers(token))
    }

    /// What a caller is told who sent nothing that could prove it.
    fn wanted(&self) -> &'static str {
        if self.services.are_none() {
            "no credential was sent; send `authorization: Bearer <token>`"
        } else {
            "no credential was sent; send `authorization: Bearer <token>`, or connect with the client certificate of a service"
        }
    }

    /// Whether a token says that it is of a configured issuer.
    fn is_of_an_issuer(&self, token: &str) -> bool {
        token_header::issuer_of(token).is_some_and(|issuer| self.tokens.knows(&issuer))
    }

    /// Whom a token proves on a connection of that service.
    async fn identify(
        &self,
        token: &str,
        certified: Option<&str>,
    ) -> Result<Identity, CredentialProblem> {
        let verified = self.tokens.verify(token).await?;
        let disagree = || {
            CredentialProblem::invalid(
                "the token was not given to the service of the client certificate",
            )
            .of_issuer(self.tokens.issuer_name(&verified))
        };
        match &verified.holder {
            Holder::Service(service) => {
                if certified.is_some_and(|certified| certified != service) {
                    return Err(disagree());
                }
                Ok(Identity::Service(service.clone()))
            }
            Holder::Person { person, client } => {
                let service = client.service();
                if certified.is_some_and(|certified| service.is_none_or(|name| name != certified)) {
                    return Err(disagree());
                }
                // That the token was once given to a service does not prove that it comes from there.
                Ok(Identity::Person {
                    person: Arc::clone(person),
                    service: certified.map(str::to_owned),
                })
            }
        }
    }

    /// For whom the caller acts, if for anybody.
    async fn acting(
        &self,
        caller: Identity,
        headers: &HeaderMap,
    ) -> Result<Authenticated, CredentialProblem> {
        let Some(header) = credentials::acting_header(headers) else {
            return Ok(Authenticated {
                caller,
                on_behalf_of: None,
                subject_proof: None,
            });
        };
        let Identity::Service(service) = &caller else {
            return Err(CredentialProblem::new(
                ProblemKind::ActsForOthers,
                "only services act for others; leave the header out",
            )
            .of_header(header));
        };
        let on_behalf_of = credentials::on_behalf_of(headers, self.credential_bytes_max)?;
        let subject_proof = match credentials::subject_token(headers, self.credential_bytes_max)? {
            None => None,
            Some(token) => Some(self.subject(token, service).await?),
        };
        Ok(Authenticated {
            on_behalf_of: on_behalf_of.map(str::to_owned),
            subject_proof,
            caller,
        })
    }

    /// The person of a subject token, which must have been given to the service that shows it: one
    /// that was given to another has been taken from there.
    async fn subject(&self, token: &str, service: &str) -> Result<Arc<Person>, CredentialProblem> {
        let verified = (self.tokens.verify(token).await)
            .map_err(|problem| problem.of_header(SUBJECT_TOKEN))?;
        let refuse = |message| {
            Err(CredentialProblem::invalid(message)
                .of_issuer(self.tokens.issuer_name(&verified))
                .of_header(SUBJECT_TOKEN))
        };
        match &verified.holder {
            Holder::Service(_) => refuse("the subject token is of a service, not of a person"),
            Holder::Person { person, client } => match client {
                Client::Service(name) if name == service => Ok(Arc::clone(person)),
                Client::Unregistered => Ok(Arc::clone(person)),
                Client::Service(_) | Client::Stranger => {
                    refuse("the subject token was not given to the calling service")
                }
            },
        }
    }
}

fn authenticate_developer(
    developers: &DevelopmentTokens,
    token: &str,
    headers: &HeaderMap,
) -> Result<Authenticated, CredentialProblem> {
    let name = developers.verify(token)?;
    if KEPT_BEGINNINGS
        .iter()
        .any(|beginning| name.as_str().starts_with(beginning))
    {
        return Err(CredentialProblem::invalid(
            "the token's subject begins like the name of a service or a person",
        ));
    }
    if let Some(header) = credentials::acting_header(headers) {
        return Err(CredentialProblem::new(
            ProblemKind::ActsForOthers,
            "development tokens do not act for others; leave the header out",
        )
        .of_header(header));
    }
    Ok(Authenticated {
        caller: Identity::Developer(name),
        on_behalf_of: None,
        subject_proof: None,
    })
}
