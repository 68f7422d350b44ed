//! Letting machines in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon_link::{
    Contact, Credentials, Enrolled, Enrolment, JoinToken, KeyRequest, LinkError, Subject,
    requested_key,
};

use super::Cluster;
use crate::admin::{Admin, AdminOutcome};
use crate::{ChangeError, Replicated};

const LIMIT: Duration = Duration::from_secs(5);
/// A media server in this process joins at once.
const OWN_TOKEN_LIFE: Duration = Duration::from_secs(60);

impl<M: Replicated> Cluster<M> {
    /// A token that lets one machine join within `life`, as a control node or as a media server.
    pub async fn issue_token(&self, life: Duration) -> Result<JoinToken, ChangeError> {
        let refused = |error: LinkError| ChangeError::Refused(error.to_string());
        let authority = self.authority().map_err(refused)?.fingerprint();
        let mut addresses: Vec<SocketAddr> = vec![self.address()];
        let others = self.replica.members();
        addresses.extend(
            others
                .values()
                .map(|member| member.address)
                .filter(|address| *address != self.address()),
        );
        let token = JoinToken::generate(authority, addresses).map_err(refused)?;
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let add = Admin::AddToken {
            hash: token.secret.hash(),
            expires_ms: self.replica.time_ms().saturating_add(life_ms),
        };
        match self.replica.administer(add, LIMIT).await {
            Ok(AdminOutcome::Refused(why)) => Err(ChangeError::Refused(why)),
            Ok(AdminOutcome::Done | AdminOutcome::Enrolled(_)) => Ok(token),
            Err(error) => Err(ChangeError::Timeout(error.to_string())),
        }
    }

    /// Credentials for a media server in this process, controlled at `address`.
    pub async fn enrol_media(
        &self,
        name: &str,
        address: SocketAddr,
    ) -> Result<Arc<Credentials>, ChangeError> {
        let refused = |error: LinkError| ChangeError::Refused(error.to_string());
        let token = self.issue_token(OWN_TOKEN_LIFE).await?;
        let key = KeyRequest::generate().map_err(refused)?;
        let enrolment = Enrolment {
            secret: token.secret,
            subject: Subject::Media {
                name: name.to_owned(),
                address,
            },
            request: key.request_der().to_vec(),
        };
        let enrolled = self.enrol(enrolment).await.map_err(ChangeError::Refused)?;
        let credentials = key.complete(enrolled.peer, enrolled.certificate, enrolled.authority);
        credentials.map(Arc::new).map_err(refused)
    }

    pub(super) async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, String> {
        let authority = self.authority().map_err(|error| error.to_string())?;
        let key = requested_key(&enrolment.request).map_err(|error| error.to_string())?;
        let enrol = Admin::Enrol {
            hash: enrolment.secret.hash(),
            key,
            subject: enrolment.subject.clone(),
        };
        let outcome = self.replica.administer(enrol, LIMIT).await;
        let peer = match outcome.map_err(|error| error.to_string())? {
            AdminOutcome::Enrolled(peer) => peer,
            AdminOutcome::Refused(why) => return Err(why),
            AdminOutcome::Done => return Err("the cluster gave no number".to_owned()),
        };
        tracing::info!(%peer, subject = ?enrolment.subject, "a machine joins");
        let certificate = authority.certify(peer, &enrolment.request);
        let members = self.replica.members();
        Ok(Enrolled {
            peer,
            certificate: certificate.map_err(|error| error.to_string())?,
            authority: authority.certificate_der().to_vec(),
            contacts: members
                .into_iter()
                .map(|(node, member)| Contact {
                    node,
                    address: member.address,
                })
                .collect(),
        })
    }
}
