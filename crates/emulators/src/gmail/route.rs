//! Which methods of Gmail's API are played, as its discovery document names them.

/// One method.
#[derive(Debug)]
pub(super) struct Route {
    /// Without `gmail.users.`.
    pub(super) id: &'static str,
    method: &'static str,
    /// Below `/gmail/v1/users/{userId}/`; `*` is an id.
    path: &'static str,
    /// Quota units.
    pub(super) units: u32,
}

const fn route(id: &'static str, method: &'static str, path: &'static str, units: u32) -> Route {
    Route { id, method, path, units }
}

/// Fixed paths stand before ids.
const ROUTES: [Route; 35] = [
    route("getProfile", "GET", "profile", 1),
    route("watch", "POST", "watch", 100),
    route("stop", "POST", "stop", 50),
    route("history.list", "GET", "history", 2),
    route("messages.send", "POST", "messages/send", 100),
    route("messages.import", "POST", "messages/import", 25),
    route("messages.batchModify", "POST", "messages/batchModify", 50),
    route("messages.batchDelete", "POST", "messages/batchDelete", 50),
    route("messages.list", "GET", "messages", 5),
    route("messages.insert", "POST", "messages", 25),
    route("messages.get", "GET", "messages/*", 20),
    route("messages.delete", "DELETE", "messages/*", 10),
    route("messages.modify", "POST", "messages/*/modify", 5),
    route("messages.trash", "POST", "messages/*/trash", 5),
    route("messages.untrash", "POST", "messages/*/untrash", 5),
    route("messages.attachments.get", "GET", "messages/*/attachments/*", 20),
    route("drafts.send", "POST", "drafts/send", 100),
    route("drafts.create", "POST", "drafts", 10),
    route("drafts.list", "GET", "drafts", 5),
    route("drafts.get", "GET", "drafts/*", 20),
    route("drafts.update", "PUT", "drafts/*", 15),
    route("drafts.delete", "DELETE", "drafts/*", 10),
    route("threads.list", "GET", "threads", 10),
    route("threads.get", "GET", "threads/*", 40),
    route("threads.delete", "DELETE", "threads/*", 20),
    route("threads.modify", "POST", "threads/*/modify", 10),
    route("threads.trash", "POST", "threads/*/trash", 10),
    route("threads.untrash", "POST", "threads/*/untrash", 10),
    route("labels.list", "GET", "labels", 1),
    route("labels.create", "POST", "labels", 5),
    route("labels.get", "GET", "labels/*", 1),
    route("labels.delete", "DELETE", "labels/*", 5),
    route("labels.patch", "PATCH", "labels/*", 5),
    route("labels.update", "PUT", "labels/*", 5),
    route("settings.sendAs.list", "GET", "settings/sendAs", 1),
];

/// The names of all methods.
pub(super) fn names() -> Vec<&'static str> {
    ROUTES.iter().map(|route| route.id).collect()
}

impl Route {
    /// The method at this path, and the ids in it.
    pub(super) fn find<'a>(
        method: &str,
        path: &[&'a str],
    ) -> Option<(&'static Self, Vec<&'a str>)> {
        ROUTES.iter().filter(|route| route.method == method).find_map(|route| {
            let pattern: Vec<&str> = route.path.split('/').collect();
            let fits = pattern.len() == path.len()
                && pattern.iter().zip(path).all(|(wanted, part)| *wanted == "*" || wanted == part);
            let ids = || pattern.iter().zip(path).filter(|(wanted, _)| **wanted == "*");
            fits.then(|| (route, ids().map(|(_, part)| *part).collect()))
        })
    }
}
