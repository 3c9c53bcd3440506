"""What the trial of programmes looks for in the database: how many there are of each, and what must not be there."""

from typing import Final

SETTLED: Final = """
select
 (select count(*) from programme_enrolments) as enrolments,
 (select count(*) from programme_enrolments where status = 'certified' and met_count = mandatory_count
   and failed_count = 0 and held_count = 0) as certified,
 (select count(*) from programme_enrolments where renewal_of_id is not null) as renewals,
 (select count(*) from programme_progress) as progress,
 (select count(*) from programme_progress where state = 'met' and next_at is null) as met,
 (select count(*) from programme_attempts) as attempts,
 (select count(*) from assignments) as assignments,
 (select count(*) from messages where template = 'invitation') as invitations,
 (select count(*) from delivery_sessions) as sessions,
 (select count(*) from submissions) as submissions,
 (select count(*) from submission_score_versions) as scores,
 (select count(*) from certificates where revoked_at is null) as certificates,
 (select count(*) from messages where template = 'certificate') as "certificate mails",
 (select count(*) from programme_attempts a where not exists (
   select from submissions s where s.assignment_id = a.assignment_id)) as open"""

LEDGER: Final = """
select act, count(*) as rows from activity
where act like 'programme\\_enrolment.%' or act like 'certificate.%' or act like 'programme\\_requirement.%'
 and act <> 'programme_requirement.added'
group by act"""

_SCORED: Final = """
select p.id, p.attempts_used, p.submission_id, count(b.id) as handed_in,
 (array_agg(b.id order by b.submitted_at, b.id) filter (where v.outcome = 'passed'))[1] as first_pass
from programme_progress p
join programme_attempts a on a.progress_id = p.id
left join submissions b on b.assignment_id = a.assignment_id
left join submission_score_versions v on v.submission_id = b.id and v.number = b.latest_score_version
group by p.id, p.attempts_used, p.submission_id"""

WRONG: Final = {
    "assignments issued twice for one attempt": """
        select count(*) - count(distinct (progress_id, ordinal)) from programme_attempts""",
    "assignments of no attempt": """
        select count(*) from assignments a where not exists (
         select from programme_attempts p where p.assignment_id = a.id)""",
    "progress that is not what its scores say": f"""
        select count(*) from ({_SCORED}) t
        where (t.attempts_used, t.submission_id) is distinct from (t.handed_in::int, t.first_pass)""",  # noqa: S608 - ours
    "enrolments that count otherwise than their requirements": """
        select count(*) from programme_enrolments e where e.met_count <> (
         select count(*) from programme_progress p where p.enrolment_id = e.id and p.state = 'met')""",
    "enrolments with another number of certificates than one": """
        select count(*) from programme_enrolments e where 1 <> (
         select count(*) from certificates c where c.enrolment_id = e.id)""",
    "certificates that rest on other submissions than those that meet": """
        select count(*) from certificates c where c.grounds <> (
         select jsonb_agg(p.submission_id::text order by p.submission_id::text)
         from programme_progress p where p.enrolment_id = c.enrolment_id)""",
    "certificates with another number of mails or notices than one": """
        select count(*) from certificates c where 1 <> (
         select count(*) from messages m where m.template = 'certificate' and m.subject_id = c.id)
        or 1 <> (select count(*) from certificate_notices n where n.certificate_id = c.id)""",
    "renewals whose certificate does not continue the one before": """
        select count(*) from programme_enrolments e join certificates c on c.enrolment_id = e.id
        left join certificates b on b.enrolment_id = e.renewal_of_id
        where c.renews_id is distinct from b.id""",
    "enrolments renewed twice": """
        select count(*) - count(distinct renewal_of_id) from programme_enrolments where renewal_of_id is not null""",
    "jobs that were given up": "select count(*) from jobs.pgqueuer where status = 'failed'",
}
"""What is looked for, each by a statement that must answer 0."""
