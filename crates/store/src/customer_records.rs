//! The company's own records of its customers: who has which addresses and which plan.

use std::collections::{BTreeMap, HashMap};

use contract::{CustomerId, Plan};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::bind::{column, number};
use crate::merges::{self, Mode, Refusal};
use crate::people::OperatorName;
use crate::{Error, retry_serialization};

/// One customer as the company knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the file; unique in a load.
    pub line: u64,
    /// Used unless one of the addresses belongs to a customer already.
    pub new_id: CustomerId,
    /// Empty: what is stored stays.
    pub name: String,
    /// `None`: what is stored stays.
    pub plan: Option<Plan>,
    /// Kind and value in normal form, at least one; no two entries of a load share one.
    pub identifiers: Vec<(&'static str, String)>,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Added,
    Changed,
    Unchanged,
    /// Its addresses belong to several customers of whom more than one is proven or on
    /// record. Nothing of it was written.
    Several(Vec<CustomerId>),
    /// The entry on this line is of the same customer. Nothing of it was written.
    SameAs(u64),
}

/// Line and outcome of every entry of a batch.
pub type Outcomes = Vec<(u64, Outcome)>;

/// A load in batches; one per file.
#[derive(Debug)]
pub struct Load<'a> {
    pool: &'a PgPool,
    operator: OperatorName<'a>,
    mode: Mode,
    /// The line of every customer that this load has written.
    taken: HashMap<CustomerId, u64>,
}

/// What a batch comes to.
#[derive(Default)]
struct Sorted<'a> {
    outcomes: Outcomes,
    writes: Vec<(CustomerId, &'a Entry)>,
}

/// A customer that has an address of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    id: CustomerId,
    is_proven: bool,
}

impl<'a> Load<'a> {
    pub fn new(pool: &'a PgPool, operator: OperatorName<'a>, mode: Mode) -> Self {
        Self { pool, operator, mode, taken: HashMap::new() }
    }

    /// Writes one batch in one transaction, in which a dry run changes its mind. The
    /// outcomes are in no particular order.
    pub async fn batch(&mut self, entries: &[Entry]) -> Result<Outcomes, Error> {
        let this = &*self;
        let (outcomes, taken) = retry_serialization(|| this.attempt(entries)).await?;
        self.taken.extend(taken);
        Ok(outcomes)
    }

    async fn attempt(
        &self,
        entries: &[Entry],
    ) -> Result<(Outcomes, Vec<(CustomerId, u64)>), Error> {
        let mut tx = self.pool.begin().await?;
        let mut sorted = self.sort(&mut tx, entries).await?;
        let changed = write(&mut tx, &sorted.writes).await?;
        for (id, entry) in &sorted.writes {
            let outcome = match changed.get(&id.as_uuid()) {
                Some(true) => Outcome::Added,
                Some(false) => Outcome::Changed,
                None => Outcome::Unchanged,
            };
            sorted.outcomes.push((entry.line, outcome));
        }
        all_belong(&mut tx, entries, &sorted.writes).await?;
        match self.mode {
            Mode::Write => tx.commit().await?,
            Mode::DryRun => tx.rollback().await?,
        }
        let taken = sorted.writes.iter().map(|(id, entry)| (*id, entry.line)).collect();
        Ok((sorted.outcomes, taken))
    }

    /// Whose entry each is. An address that somebody only typed is no proof of anything:
    /// its customer becomes part of the one on record, in a merge that can be undone.
    async fn sort<'e>(
        &self,
        conn: &mut PgConnection,
        entries: &'e [Entry],
    ) -> Result<Sorted<'e>, Error> {
        let owners = owners(conn, entries).await?;
        let mut sorted = Sorted::default();
        let mut taken: HashMap<CustomerId, u64> = HashMap::new();
        for entry in entries {
            let known = owners.get(&entry.line).map_or(&[][..], Vec::as_slice);
            let Some((customer, typed)) = one_of(known, entry.new_id) else {
                let several = known.iter().map(|owner| owner.id).collect();
                sorted.outcomes.push((entry.line, Outcome::Several(several)));
                continue;
            };
            let earlier = taken.get(&customer).or_else(|| self.taken.get(&customer));
            if let Some(line) = earlier {
                sorted.outcomes.push((entry.line, Outcome::SameAs(*line)));
                continue;
            }
            if self.take_in(conn, customer, &typed).await? {
                taken.insert(customer, entry.line);
                sorted.writes.push((customer, entry));
            } else {
                let several = known.iter().map(|owner| owner.id).collect();
                sorted.outcomes.push((entry.line, Outcome::Several(several)));
            }
        }
        Ok(sorted)
    }

    /// False when one of them has proven who it is meanwhile.
    async fn take_in(
        &self,
        conn: &mut PgConnection,
        customer: CustomerId,
        typed: &[CustomerId],
    ) -> Result<bool, Error> {
        for other in typed {
            match merges::merge_typed(conn, customer, *other, self.operator).await {
                Ok(_) => {}
                Err(Refusal::Store(error)) => return Err(error),
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// The customer of an entry, and those who are to become part of it; `None` when more
/// than one has a claim.
fn one_of(known: &[Owner], new_id: CustomerId) -> Option<(CustomerId, Vec<CustomerId>)> {
    let mut proven = known.iter().filter(|owner| owner.is_proven);
    let first = proven.next().or(known.first());
    if proven.next().is_some() {
        return None;
    }
    let customer = first.map_or(new_id, |owner| owner.id);
    let others = known.iter().map(|owner| owner.id).filter(|id| *id != customer).collect();
    Some((customer, others))
}

/// The customers that have the addresses of each line.
async fn owners(
    conn: &mut PgConnection,
    entries: &[Entry],
) -> Result<BTreeMap<u64, Vec<Owner>>, Error> {
    let all: Vec<(u64, &(&'static str, String))> = entries
        .iter()
        .flat_map(|entry| entry.identifiers.iter().map(move |one| (entry.line, one)))
        .collect();
    let rows: Vec<(i64, Uuid, bool)> = sqlx::query_as(
        "select distinct input.line, identifier.customer_id,
             (select true from customer_identifiers known
                 where known.customer_id = identifier.customer_id
                     and (level = 'authenticated' or on_record) limit 1) is not null
             or (select true from conversations
                 where conversations.customer_id = identifier.customer_id
                     and identity_level = 'authenticated' limit 1) is not null
         from unnest($1::bigint[], $2::text[], $3::text[]) as input (line, kind, value)
         cross join lateral (select customer_id from customer_identifiers
             where kind = input.kind and value = input.value limit 1) identifier
         order by 1, 2",
    )
    .bind(column(&all, |(line, _)| number(*line)))
    .bind(column(&all, |(_, (kind, _))| *kind))
    .bind(column(&all, |(_, (_, value))| value.as_str()))
    .fetch_all(conn)
    .await?;
    let mut owners: BTreeMap<u64, Vec<Owner>> = BTreeMap::new();
    for (line, id, is_proven) in rows {
        owners.entry(line.unsigned_abs()).or_default().push(Owner { id: id.into(), is_proven });
    }
    Ok(owners)
}

/// Somebody may have written from an address while it was being entered: then the
/// address has another customer, and the batch is sorted again.
async fn all_belong(
    conn: &mut PgConnection,
    entries: &[Entry],
    writes: &[(CustomerId, &Entry)],
) -> Result<(), Error> {
    let owners = owners(conn, entries).await?;
    let belongs = |(id, entry): &(CustomerId, &Entry)| {
        owners.get(&entry.line).is_some_and(|known| known.iter().all(|owner| owner.id == *id))
    };
    match writes.iter().all(belongs) {
        true => Ok(()),
        false => Err(Error::Contended(sqlx::Error::RowNotFound)),
    }
}

/// Which customers changed, and whether they are new.
async fn write(
    conn: &mut PgConnection,
    writes: &[(CustomerId, &Entry)],
) -> Result<HashMap<Uuid, bool>, Error> {
    let all: Vec<(Uuid, &(&'static str, String))> = writes
        .iter()
        .flat_map(|(id, entry)| entry.identifiers.iter().map(|one| (id.as_uuid(), one)))
        .collect();
    let rows: Vec<(Uuid, bool)> = sqlx::query_as(
        "with customer as (
             insert into customers as stored (id, name, plan)
             select * from unnest($1::uuid[], $2::text[], $3::text[]) as input (id, name, plan)
             order by id
             on conflict (id) do update set
                 name = coalesce(nullif(excluded.name, ''), stored.name),
                 plan = coalesce(excluded.plan, stored.plan)
             where coalesce(nullif(excluded.name, ''), stored.name) <> stored.name
                 or coalesce(excluded.plan, stored.plan) is distinct from stored.plan
             -- A row that no transaction has replaced is new.
             returning id, xmax = 0 as is_new
         ),
         identifier as (
             insert into customer_identifiers as stored
                 (kind, value, customer_id, level, on_record)
             select kind, value, customer_id, 'self_asserted', true
             from unnest($4::text[], $5::text[], $6::uuid[]) as input (kind, value, customer_id)
             order by kind, value
             on conflict (kind, value) do update set on_record = true
             where stored.customer_id = excluded.customer_id and not stored.on_record
             returning customer_id
         )
         select id, bool_or(is_new) from (
             select id, is_new from customer
             union all select customer_id, false from identifier) as changed (id, is_new)
         group by id",
    )
    .bind(column(writes, |(id, _)| id.as_uuid()))
    .bind(column(writes, |(_, entry)| entry.name.as_str()))
    .bind(column(writes, |(_, entry)| entry.plan.map(Plan::as_str)))
    .bind(column(&all, |(_, (kind, _))| *kind))
    .bind(column(&all, |(_, (_, value))| value.as_str()))
    .bind(column(&all, |(id, _)| *id))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, is_proven: bool) -> Owner {
        Owner { id: CustomerId::named(name), is_proven }
    }

    #[test]
    fn an_entry_belongs_to_the_one_customer_with_a_claim_and_takes_in_what_was_typed() {
        let (new_id, a, b) =
            (CustomerId::named("new"), CustomerId::named("a"), CustomerId::named("b"));
        let cases = [
            (vec![], Some((new_id, vec![]))),
            (vec![owner("a", false)], Some((a, vec![]))),
            (vec![owner("a", false), owner("b", false)], Some((a, vec![b]))),
            (vec![owner("a", false), owner("b", true)], Some((b, vec![a]))),
            (vec![owner("a", true), owner("b", true)], None),
        ];
        for (known, expected) in cases {
            assert_eq!(one_of(&known, new_id), expected, "{known:?}");
        }
    }
}
