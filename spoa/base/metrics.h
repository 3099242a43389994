/* Counters: one row here is one metric in /metrics. Each thread counts into a
 * block of its own (relaxed atomics, one writer); the admin thread adds up. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

/* clang-format off */
/*  id                     name                                  labels                       help */
#define METRIC_TABLE(X) \
  X(M_SPOP_CONNS_OPENED,   "spop_connections_opened_total",      "",                          "agent connections accepted") \
  X(M_SPOP_CONNS_CLOSED,   "spop_connections_closed_total",      "",                          "agent connections ended") \
  X(M_SPOP_HEALTHCHECKS,   "spop_healthchecks_total",            "",                          "health checks answered") \
  X(M_SPOP_NOTIFY,         "spop_notify_total",                  "",                          "NOTIFY frames received") \
  X(M_SPOP_ACK,            "spop_ack_total",                     "",                          "ACK frames sent") \
  X(M_SPOP_ERRORS,         "spop_protocol_errors_total",         "",                          "connections ended for a protocol error") \
  X(M_SPOP_DROPPED,        "spop_dropped_total",                 "",                          "verdicts nobody waited for any more") \
  X(M_DECIDE_PERMIT,       "decisions_total",                    "decision=\"permit\"",       "final decisions") \
  X(M_DECIDE_REDACT,       "decisions_total",                    "decision=\"redact\"",       "") \
  X(M_DECIDE_DENY,         "decisions_total",                    "decision=\"deny\"",         "") \
  X(M_DECIDE_OBSERVED,     "decisions_total",                    "decision=\"observed\"",     "") \
  X(M_OBSERVED_PERMIT,     "observed_total",                     "would=\"permit\"",          "requests of a cutover (observe), by what would have been decided") \
  X(M_OBSERVED_REDACT,     "observed_total",                     "would=\"redact\"",          "") \
  X(M_OBSERVED_DENY,       "observed_total",                     "would=\"deny\"",            "") \
  X(M_OBSERVED_UNKNOWN,    "observed_total",                     "would=\"unknown\"",         "") \
  X(M_DECIDE_DEFER,        "deferred_total",                     "",                          "decisions left to the relay: the body was not whole") \
  X(M_PROBES,              "probes_total",                       "",                          "requests of tollgate check --probe; no other figure counts them") \
  X(M_VIA_DIRECT,          "requests_total",                     "via=\"direct\"",            "requests released, by path") \
  X(M_VIA_RELAY,           "requests_total",                     "via=\"relay\"",             "") \
  X(M_VIA_OBSERVE,         "requests_total",                     "via=\"observe\"",           "") \
  X(M_DENY_400,            "denied_total",                       "status=\"400\"",            "denials by status") \
  X(M_DENY_401,            "denied_total",                       "status=\"401\"",            "") \
  X(M_DENY_403,            "denied_total",                       "status=\"403\"",            "") \
  X(M_DENY_404,            "denied_total",                       "status=\"404\"",            "") \
  X(M_DENY_408,            "denied_total",                       "status=\"408\"",            "") \
  X(M_DENY_413,            "denied_total",                       "status=\"413\"",            "") \
  X(M_DENY_415,            "denied_total",                       "status=\"415\"",            "") \
  X(M_DENY_429,            "denied_total",                       "status=\"429\"",            "") \
  X(M_DENY_451,            "denied_total",                       "status=\"451\"",            "") \
  X(M_DENY_501,            "denied_total",                       "status=\"501\"",            "") \
  X(M_DENY_503,            "denied_total",                       "status=\"503\"",            "") \
  X(M_SHADOWED,            "shadowed_total",                     "",                          "denials and redactions by rules not enforced: shadow") \
  X(M_SHADOW_SAME,         "shadow_policy_total",                "result=\"same\"",           "decisions that shadow_policy was asked about") \
  X(M_SHADOW_OTHER,        "shadow_policy_total",                "result=\"other\"",          "") \
  X(M_SHADOW_FAILED,       "shadow_policy_total",                "result=\"failed\"",         "") \
  X(M_FINDINGS,            "findings_total",                     "",                          "entities found") \
  X(M_EVASIONS,            "evasions_total",                     "",                          "requests with values in disguise, or text that hides or reorders what is shown") \
  X(M_SCANNED_BYTES,       "scanned_bytes_total",                "",                          "text bytes classified") \
  X(M_INJECTION_SUSPECT,   "injection_total",                    "level=\"suspect\"",        "requests by injection score: from 0.5, from 0.9") \
  X(M_INJECTION_BLOCK,     "injection_total",                    "level=\"block\"",          "") \
  X(M_CLASSIFIER_FAILED,   "classifier_failures_total",          "",                          "classifications without an answer") \
  X(M_OVERWORKED,          "texts_overworked_total",             "",                          "requests and answers with a text that takes more work to search than its length allows") \
  X(M_DATA_FETCHED,        "data_fetches_total",                 "result=\"ok\"",             "fetches of data that conditions read, from Redis and URLs") \
  X(M_DATA_FAILED,         "data_fetches_total",                 "result=\"failed\"",         "") \
  X(M_ROOM_FAILED,         "target_room_failures_total",         "",                          "requests that waited in vain for room at a provider with `concurrent`, or for a target that was out") \
  X(M_CACHE_HITS,          "cache_requests_total",               "result=\"hit\"",            "requests of routes with a cache") \
  X(M_CACHE_MISSES,        "cache_requests_total",               "result=\"miss\"",           "") \
  X(M_CACHE_OFF,           "cache_requests_total",               "result=\"off\"",            "") \
  X(M_CACHE_HITS_NEAR,     "cache_near_hits_total",              "",                          "hits by an answer to a request that was near") \
  X(M_CACHE_HITS_MEANING,  "cache_semantic_hits_total",          "",                          "hits by an answer to a request that means the same") \
  X(M_CACHE_EMBEDDED,      "cache_embeddings_total",             "outcome=\"ok\"",            "prompts whose vector was asked for") \
  X(M_CACHE_UNEMBEDDED,    "cache_embeddings_total",             "outcome=\"failed\"",        "") \
  X(M_CACHE_EMBEDDED_TOKENS, "cache_embedded_tokens_total",      "",                          "tokens that their vectors took") \
  X(M_CACHE_EMBEDDED_NANOUSD, "cache_embedded_nanousd_total",    "",                          "what these cost, in billionths of a dollar") \
  X(M_CACHE_WAITED_HIT,    "cache_waits_total",                  "outcome=\"hit\"",           "requests that waited for another one that asked the same, and were given its answer, or asked alone") \
  X(M_CACHE_WAITED_ALONE,  "cache_waits_total",                  "outcome=\"alone\"",         "") \
  X(M_CACHE_KEPT,          "cache_kept_total",                   "",                          "answers that were kept") \
  X(M_FILES_EXTRACTED,     "files_extracted_total",              "",                          "files that tollgate-extract answered about") \
  X(M_FILES_FAILED,        "files_failed_total",                 "",                          "files that it did not answer about, or not in time") \
  X(M_CACHE_UNKEPT,        "cache_unkept_total",                 "",                          "of those that were kept: entries that Redis did not take, or not in time") \
  X(M_CACHE_FAILED,        "cache_failures_total",               "",                          "lookups in Redis without an answer in time: misses") \
  X(M_CACHE_UNUSABLE,      "cache_unusable_total",               "",                          "entries that could not be opened, or not be said as asked: misses") \
  X(M_CACHE_SAVED_INPUT,   "cache_saved_tokens_total",           "kind=\"input\"",            "tokens that hits did not take") \
  X(M_CACHE_SAVED_OUTPUT,  "cache_saved_tokens_total",           "kind=\"output\"",           "") \
  X(M_CACHE_SAVED_NANOUSD, "cache_saved_nanousd_total",          "",                          "what hits did not cost, in billionths of a dollar") \
  X(M_QUOTA_FAILED,        "quota_failures_total",               "",                          "reservations without an answer from the store") \
  X(M_QUOTA_ALONE,         "quota_alone_total",                  "",                          "reservations from this daemon's own share, without an answer from the store") \
  X(M_QUOTA_LOST,          "quota_lost_total",                   "",                          "corrections that found no room to wait for the store") \
  X(M_QUOTA_REPUBLISHED,   "quota_recounted_total",              "",                          "counters that were added again where Redis had lost them") \
  X(M_QUOTA_UNKNOWN,       "quota_unknown_daemons_total",        "",                          "workers that saw more daemons at their Redis than redis.daemons says") \
  X(M_QUOTA_UNNOTED,       "quota_unnoted_total",                "",                          "charges that would not be, for want of room") \
  X(M_QUOTA_REFUSED,       "quota_refused_total",                "",                          "requests over a limit") \
  X(M_REPEATED,            "repeated_total",                     "",                          "requests that their SDK says it repeats: each is decided and counted as any") \
  X(M_TOKENS_RESERVED,     "tokens_reserved_total",              "",                          "tokens reserved") \
  X(M_TOKENS_COUNTED,      "token_counts_total",                 "kind=\"exact\"",          "requests whose prompt was counted before, and whose provider reported its tokens") \
  X(M_TOKENS_ESTIMATED,    "token_counts_total",                 "kind=\"estimated\"",      "") \
  X(M_TOKENS_OVER,         "token_estimate_error_total",         "side=\"over\"",           "tokens of prompts by which counts were above or below what providers reported") \
  X(M_TOKENS_UNDER,        "token_estimate_error_total",         "side=\"under\"",          "") \
  X(M_TOKENS_SHORT,        "token_reserve_short_total",          "",                          "requests whose prompt was more tokens than were reserved for it") \
  X(M_TOKENS_INPUT,        "tokens_total",                       "type=\"input\"",            "tokens reported by providers") \
  X(M_TOKENS_OUTPUT,       "tokens_total",                       "type=\"output\"",           "") \
  X(M_USAGE_UNKNOWN,       "usage_unknown_total",                "",                          "answers that went to a provider which did not say what they used, or said it wrongly") \
  X(M_REDIS_ERRORS,        "redis_errors_total",                 "",                          "failed or late Redis replies") \
  X(M_AUDIT_RECORDS,       "audit_records_total",                "",                          "records made durable") \
  X(M_AUDIT_COMMITS,       "audit_commits_total",                "",                          "group commits") \
  X(M_AUDIT_FAILED,        "audit_failures_total",               "",                          "records that could not be made durable") \
  X(M_TEXTS_CUT,           "sealed_texts_cut_total",             "",                          "answers of which only the beginning is kept, sealed: too much waited for the disk") \
  X(M_AUDIT_GAVE_WAY,      "audit_stream_gave_way_total",        "",                          "entries of the Redis Stream trimmed early because Redis was full") \
  X(M_AUDIT_MIRRORED,      "audit_mirrored_total",               "",                          "records copied to the Redis Stream") \
  X(M_ANCHOR_FILE_TAKEN,     "anchors_total",                      "kind=\"file\",result=\"taken\"",          "checkpoints taken to places outside (anchors), by what came of it") \
  X(M_ANCHOR_FILE_REFUSED,   "anchors_total",                      "kind=\"file\",result=\"refused\"",        "") \
  X(M_ANCHOR_FILE_AWAY,      "anchors_total",                      "kind=\"file\",result=\"away\"",           "") \
  X(M_ANCHOR_SYSLOG_TAKEN,   "anchors_total",                      "kind=\"syslog\",result=\"taken\"",        "") \
  X(M_ANCHOR_SYSLOG_REFUSED, "anchors_total",                      "kind=\"syslog\",result=\"refused\"",      "") \
  X(M_ANCHOR_SYSLOG_AWAY,    "anchors_total",                      "kind=\"syslog\",result=\"away\"",         "") \
  X(M_ANCHOR_URL_TAKEN,      "anchors_total",                      "kind=\"url\",result=\"taken\"",           "") \
  X(M_ANCHOR_URL_REFUSED,    "anchors_total",                      "kind=\"url\",result=\"refused\"",         "") \
  X(M_ANCHOR_URL_AWAY,       "anchors_total",                      "kind=\"url\",result=\"away\"",            "") \
  X(M_ANCHOR_TSA_TAKEN,      "anchors_total",                      "kind=\"tsa\",result=\"taken\"",           "") \
  X(M_ANCHOR_TSA_REFUSED,    "anchors_total",                      "kind=\"tsa\",result=\"refused\"",         "") \
  X(M_ANCHOR_TSA_AWAY,       "anchors_total",                      "kind=\"tsa\",result=\"away\"",            "") \
  X(M_ANCHOR_WITNESS_TAKEN,  "anchors_total",                      "kind=\"witness\",result=\"taken\"",       "") \
  X(M_ANCHOR_WITNESS_REFUSED, "anchors_total",                      "kind=\"witness\",result=\"refused\"",     "") \
  X(M_ANCHOR_WITNESS_AWAY,   "anchors_total",                      "kind=\"witness\",result=\"away\"",        "") \
  X(M_WITNESS_200,           "witness_requests_total",             "status=\"200\"",            "checkpoints that this witness was asked to cosign, by its answer") \
  X(M_WITNESS_400,           "witness_requests_total",             "status=\"400\"",            "") \
  X(M_WITNESS_403,           "witness_requests_total",             "status=\"403\"",            "") \
  X(M_WITNESS_404,           "witness_requests_total",             "status=\"404\"",            "") \
  X(M_WITNESS_409,           "witness_requests_total",             "status=\"409\"",            "") \
  X(M_WITNESS_413,           "witness_requests_total",             "status=\"413\"",            "") \
  X(M_WITNESS_422,           "witness_requests_total",             "status=\"422\"",            "") \
  X(M_WITNESS_500,           "witness_requests_total",             "status=\"500\"",            "") \
  X(M_KEEP_PACKED,         "retention_compressed_total",         "",                          "closed segments compressed, read back and compared") \
  X(M_KEEP_ARCHIVED,       "retention_archived_total",           "",                          "segments copied to retention.archive, read back and compared") \
  X(M_KEEP_TRIMMED,        "retention_trimmed_total",            "",                          "segments trimmed, each named by a trim record before") \
  X(M_KEEP_FAILED,         "retention_failures_total",           "",                          "steps of retention that failed: tried again") \
  X(M_CHECKPOINTS,         "audit_checkpoints_total",            "",                          "checkpoints made durable") \
  X(M_START_WRITTEN,       "start_checkpoints_total",            "result=\"written\"",        "start checkpoints (JOURNAL.start): written, not written, and refused by a start, which then read the whole journal") \
  X(M_START_FAILED,        "start_checkpoints_total",            "result=\"failed\"",         "") \
  X(M_START_REFUSED,       "start_checkpoints_total",            "result=\"refused\"",        "") \
  X(M_START_ALTERED,       "start_journal_altered_total",        "",                          "segments with a record altered before the start checkpoint, found after the start") \
  X(M_TREE_LEAVES,         "audit_tree_leaves_total",            "",                          "records put into the tree's hash files") \
  X(M_TREE_ERRORS,         "audit_tree_errors_total",            "",                          "hash files that could not be written or were wrong") \
  X(M_AUTH_FAILED,         "credentials_refused_total",          "",                          "credentials that did not verify") \
  X(M_KEYS_FETCHED,        "key_fetches_total",                  "result=\"ok\"",             "fetches of issuers' key sets") \
  X(M_KEYS_FAILED,         "key_fetches_total",                  "result=\"failed\"",         "") \
  X(M_CREDENTIALS_FETCHED, "credential_fetches_total",           "result=\"ok\"",             "fetches of tokens for providers, and files of their keys that could not be used") \
  X(M_CREDENTIALS_FAILED,  "credential_fetches_total",           "result=\"failed\"",         "") \
  X(M_LIVE_FORGED,         "live_refused_total",                 "reason=\"forged\"",         "entries found in Redis that were not taken: made without state_key, or older than what is in force") \
  X(M_LIVE_OLDER,          "live_refused_total",                 "reason=\"older\"",          "") \
  X(M_LIVE_FULL,           "live_full_total",                    "",                          "keys and overrides that were not taken: as many as are kept were made at run time") \
  X(M_TARGETS_JUNK,        "target_facts_refused_total",         "",                          "texts of Redis about targets that no daemon wrote: written anew") \
  X(M_AUTH_CACHE_HIT,      "token_cache_hits_total",             "",                          "tokens found verified in the cache") \
  X(M_TICKET_WRONG,        "tickets_refused_total",              "",                          "relay requests without a valid ticket") \
  X(M_TICKET_EXPIRED,      "tickets_expired_total",              "",                          "decisions never taken up by the relay") \
  X(M_HANDOVERS,           "relay_handovers_total",              "",                          "decisions moved between workers") \
  X(M_RELAY_CONNS,         "relay_connections_total",            "side=\"edge\"",             "relay connections") \
  X(M_RELAY_UPSTREAM,      "relay_connections_total",            "side=\"egress\"",           "") \
  X(M_RELAY_REUSED,        "relay_reused_total",                 "",                          "requests sent on a pooled connection") \
  X(M_RELAY_ABORTS,        "relay_aborts_total",                 "",                          "exchanges cut by either side") \
  X(M_HAPROXY_ANSWERED,    "haproxy_answered_total",             "",                          "answers of HAProxy's own to the relay, by a person's rule, in a provider's place") \
  X(M_ANSWERS_DENIED,      "answers_denied_total",               "",                          "answers that a rule of phase response denied") \
  X(M_TOOLS_HIDDEN,        "tools_hidden_total",                 "",                          "entries of MCP servers' lists that rules of phase tool did not show") \
  X(M_URI_REFUSED,         "odd_uris_total",                     "result=\"refused\"",       "requests with a URI that is not in its normal form") \
  X(M_URI_PASSED,          "odd_uris_total",                     "result=\"passed\"",        "") \
  X(M_ANSWERS_UNREAD,      "answers_unread_total",               "",                          "answers refused since they could not be inspected") \
  X(M_ANSWERS_REDACTED,    "answers_redacted_total",             "",                          "findings replaced in answers") \
  X(M_ANSWERS_UNRESOLVED,  "answers_unresolved_total",           "",                          "placeholders in answers that stand for no value that is known here") \
  X(M_ANSWERS_RESTORED,    "answers_restored_total",             "",                          "placeholders put back into answers") \
  X(M_STREAM_TEXT,         "stream_text_bytes_total",            "",                          "bytes of text in streams that were inspected or restored") \
  X(M_STREAM_HELD,         "stream_held_byte_seconds_total",     "",                          "of it, each byte times the time that it was held") \
  X(M_STREAM_MOST,         "stream_held_most_bytes_total",       "",                          "the most that each of these streams held at a time, summed") \
  X(M_RELAY_ERRORS,        "relay_errors_total",                 "",                          "exchanges ended for a protocol error or timeout") \
  X(M_RELAY_BYTES_UP,      "relay_bytes_total",                  "direction=\"request\"",     "body bytes relayed") \
  X(M_RELAY_BYTES_DOWN,    "relay_bytes_total",                  "direction=\"response\"",    "") \
  X(M_LABELS_OVER,         "labels_over_total",                  "",                          "decisions of which a label is other, for want of room") \
  X(M_TURNS_LONG,          "long_turns_total",                   "",                          "turns of a worker's loop that took 50 ms or more") \
  X(M_HELD_REFUSED,        "held_refused_total",                 "",                          "requests refused for the cap on held bytes") \
  X(M_TELEMETRY_SPANS_SENT, "telemetry_spans_total", "result=\"sent\"", "spans of telemetry.otlp by what became of them; full counts records that found no room") \
  X(M_TELEMETRY_SPANS_FULL, "telemetry_spans_total", "result=\"full\"", "") \
  X(M_TELEMETRY_SPANS_REFUSED, "telemetry_spans_total", "result=\"refused\"", "") \
  X(M_TELEMETRY_SPANS_REJECTED, "telemetry_spans_total", "result=\"rejected\"", "") \
  X(M_TELEMETRY_SPANS_UNREAD, "telemetry_spans_total", "result=\"unread\"", "") \
  X(M_TELEMETRY_SPANS_AWAY, "telemetry_spans_total", "result=\"away\"", "") \
  X(M_TELEMETRY_POINTS_SENT, "telemetry_points_total", "result=\"sent\"", "points of metrics, likewise") \
  X(M_TELEMETRY_POINTS_FULL, "telemetry_points_total", "result=\"full\"", "") \
  X(M_TELEMETRY_POINTS_REFUSED, "telemetry_points_total", "result=\"refused\"", "") \
  X(M_TELEMETRY_POINTS_REJECTED, "telemetry_points_total", "result=\"rejected\"", "") \
  X(M_TELEMETRY_POINTS_UNREAD, "telemetry_points_total", "result=\"unread\"", "") \
  X(M_TELEMETRY_POINTS_AWAY, "telemetry_points_total", "result=\"away\"", "") \
  X(M_ADMIN_TOKEN,         "admin_refused_total",                "why=\"token\"",              "requests to the admin server refused: wrong or no token or session, over the guesses of their source, a role that lacks, a host or page that is not ours, over the caller's share, a disk whose rest is the decisions'") \
  X(M_ADMIN_RATE,          "admin_refused_total",                "why=\"rate\"",               "") \
  X(M_ADMIN_ROLE,          "admin_refused_total",                "why=\"role\"",               "") \
  X(M_ADMIN_HOST,          "admin_refused_total",                "why=\"host\"",               "") \
  X(M_ADMIN_ORIGIN,        "admin_refused_total",                "why=\"origin\"",             "") \
  X(M_ADMIN_SHARE,         "admin_refused_total",                "why=\"share\"",              "") \
  X(M_ADMIN_SUMMED,        "admin_reads_summed_total",           "",                          "readings over their caller's share: the next sum of them is a record") \
  X(M_ADMIN_CROWDED,       "admin_crowded_total",                "",                          "connections to the admin server that had asked for nothing and made room for others") \
  X(M_LOG_DROPPED,         "log_dropped_total",                  "",                          "log lines that nobody took in time") \
  X(M_CHILD_DONE,          "admin_children_total",               "end=\"exited\"",            "children of the admin server (records read, policies tried), by how they ended") \
  X(M_CHILD_DIED,          "admin_children_total",               "end=\"signal\"",            "") \
  X(M_CHILD_LATE,          "admin_children_total",               "end=\"deadline\"",          "") \
  X(M_CHILD_TOO_LONG,      "admin_children_total",               "end=\"too_long\"",          "") \
  X(M_CHILD_LEFT,          "admin_children_total",               "end=\"client_gone\"",       "") \
  X(M_CHILD_STOPPED,       "admin_children_total",               "end=\"stopped\"",           "") \
  X(M_CHILD_FAILED,        "admin_children_total",               "end=\"not_started\"",       "") \
  X(M_CHILD_REFUSED,       "admin_children_refused_total",       "",                          "requests for one that found no room in the queue, or waited there for too long: 503") \
  X(M_DECISION_VIEWERS_REFUSED, "decision_viewers_refused_total", "",                        "who asked for GET /decisions/live while 64 looked at it, or with eight streams of his open") \
  X(M_DECISION_VIEWERS_DROPPED, "decision_viewers_dropped_total", "",                        "who looked at it and did not read") \
  X(M_NOTIFY_SENT,         "notify_total",                       "result=\"sent\"",           "notices for the webhook of notify.url") \
  X(M_NOTIFY_RETRIED,      "notify_total",                       "result=\"retried\"",        "") \
  X(M_NOTIFY_FAILED,       "notify_total",                       "result=\"failed\"",         "") \
  X(M_NOTIFY_SUPPRESSED,   "notify_total",                       "result=\"suppressed\"",     "") \
  X(M_NOTIFY_DROPPED,      "notify_total",                       "result=\"dropped\"",        "") \
  X(M_RELOADS,             "reloads_total",                      "result=\"ok\"",             "configuration reloads") \
  X(M_RELOADS_FAILED,      "reloads_total",                      "result=\"refused\"",        "")
/* clang-format on */

enum metric {
#define X(id, name, labels, help) id,
	METRIC_TABLE(X)
#undef X
		METRIC_COUNT
};

struct metrics {
	_Atomic uint64_t v[METRIC_COUNT];
};

static inline void
metric_add(struct metrics *m, enum metric id, uint64_t n)
{
	atomic_fetch_add_explicit(&m->v[id], n, memory_order_relaxed);
}

static inline void
metric_inc(struct metrics *m, enum metric id)
{
	metric_add(m, id, 1);
}

/* Prometheus text format 0.0.4 of the sum over `n` blocks, names prefixed with
 * tollgate_. Any thread. */
void metrics_write(struct buf *out, struct metrics *const *blocks, size_t n);
/* The lines before the values of a metric that is in no table. */
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);

#endif
