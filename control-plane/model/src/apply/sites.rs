use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME},
};
use crate::{ResourceKey, Site, SiteId, State};

pub(super) const SITE: Checked = Checked { resource: "Site" };

const MAX_SUBNETS: usize = 200;

impl State {
    pub(super) fn create_site(&mut self, changes: &mut Changes, site: &Site) -> Refusable<SiteId> {
        self.check_site(site, None)?;
        let id = SiteId(SITE.next_id(&mut self.counters.site)?);
        self.sites.insert(
            id,
            Site {
                id,
                revision: changes.at.index,
                ..site.clone()
            },
        );
        changes.config(ResourceKey::Site(id));
        Ok(id)
    }

    pub(super) fn update_site(&mut self, changes: &mut Changes, site: &Site) -> Refusable<()> {
        let old = self
            .sites
            .get(&site.id)
            .ok_or_else(|| SITE.not_found("id", site.id))?;
        if old.revision != site.revision {
            return Err(SITE.stale());
        }
        self.check_site(site, Some(site.id))?;
        self.sites.insert(
            site.id,
            Site {
                revision: changes.at.index,
                ..site.clone()
            },
        );
        changes.config(ResourceKey::Site(site.id));
        Ok(())
    }

    pub(super) fn delete_site(&mut self, changes: &mut Changes, id: SiteId) -> Refusable<()> {
        if !self.sites.contains(&id) {
            return Err(SITE.not_found("id", id));
        }
        if let Some(server) = self.media_servers.values().find(|server| server.site == id) {
            let message = format!("Site has the media server '{}'; move it first", server.name);
            return Err(SITE.in_use("media_servers", message));
        }
        if let Some(line) = self.lines.values().find(|line| line.site == Some(id)) {
            let message = format!(
                "Site is named by a line ('line_id': '{}'); change it first",
                line.id
            );
            return Err(SITE.in_use("lines", message));
        }
        self.sites.remove(&id);
        changes.config(ResourceKey::Site(id));
        Ok(())
    }

    fn check_site(&self, site: &Site, own: Option<SiteId>) -> Refusable<()> {
        SITE.required_text("name", &site.name, MAX_NAME)?;
        if self
            .sites
            .values()
            .any(|other| other.name == site.name && Some(other.id) != own)
        {
            return Err(SITE.conflict("name", "another site has it"));
        }
        if site.subnets.len() > MAX_SUBNETS {
            return Err(SITE.input("subnets", format!("are more than {MAX_SUBNETS}")));
        }
        for subnet in &site.subnets {
            let most = if subnet.address.is_ipv4() { 32 } else { 128 };
            if subnet.prefix > most {
                return Err(SITE.input(
                    "subnets",
                    format!("a prefix of {} has at most {most} bits", subnet.address),
                ));
            }
        }
        Ok(())
    }
}
