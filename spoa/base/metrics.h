/* The table of all counters: one row is one metric in /metrics. Each thread counts in a block of
 * its own with relaxed atomics; the admin thread adds the blocks up. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/deny_status.h"

/* clang-format off */
/*  id                     name                                  labels                       help */
#define METRIC_DENIED(X, status, ...) \
  X(M_DENY_##status,       "denied_total",                       "status=\"" #status "\"",      "Counts denied requests, by HTTP status.")
#define METRIC_TABLE(X) \
  X(M_SPOP_CONNS_OPENED,   "spop_connections_opened_total",      "",                          "Counts SPOP connections that the daemon accepted.") \
  X(M_SPOP_CONNS_CLOSED,   "spop_connections_closed_total",      "",                          "Counts SPOP connections that ended.") \
  X(M_SPOP_HEALTHCHECKS,   "spop_healthchecks_total",            "",                          "Counts health checks of HAProxy that the daemon replied to.") \
  X(M_SPOP_MOVED,          "spop_moved_total",                   "",                          "Counts SPOP connections that a worker gave to another one with less load.") \
  X(M_SPOP_NOTIFY,         "spop_notify_total",                  "",                          "Counts NOTIFY frames that the daemon received.") \
  X(M_SPOP_ACK,            "spop_ack_total",                     "",                          "Counts ACK frames that the daemon sent.") \
  X(M_SPOP_ERRORS,         "spop_protocol_errors_total",         "",                          "Counts SPOP connections that ended because of a protocol error.") \
  X(M_SPOP_GIVEN_BACK,     "spop_given_back_total",              "",                          "Counts SPOP connections that the daemon closed so that HAProxy asks another daemon too.") \
  X(M_SPOP_DROPPED,        "spop_dropped_total",                 "",                          "Counts decisions dropped because HAProxy no longer waited for them.") \
  X(M_DECIDE_PERMIT,       "decisions_total",                    "decision=\"permit\"",       "Counts final decisions, by decision.") \
  X(M_DECIDE_REDACT,       "decisions_total",                    "decision=\"redact\"",       "") \
  X(M_DECIDE_DENY,         "decisions_total",                    "decision=\"deny\"",         "") \
  X(M_DECIDE_OBSERVED,     "decisions_total",                    "decision=\"observed\"",     "") \
  X(M_OBSERVED_PERMIT,     "observed_total",                     "would=\"permit\"",          "Counts requests of a cutover, by the decision that enforcement would have made.") \
  X(M_OBSERVED_REDACT,     "observed_total",                     "would=\"redact\"",          "") \
  X(M_OBSERVED_DENY,       "observed_total",                     "would=\"deny\"",            "") \
  X(M_OBSERVED_UNKNOWN,    "observed_total",                     "would=\"unknown\"",         "") \
  X(M_DECIDE_DEFER,        "deferred_total",                     "",                          "Counts decisions left to the relay because HAProxy did not have the whole body.") \
  X(M_PROBES,              "probes_total",                       "",                          "Counts requests of tollgate check --probe. No other metric counts them.") \
  X(M_VIA_DIRECT,          "requests_total",                     "via=\"direct\"",            "Counts requests that the gateway forwarded, by path.") \
  X(M_VIA_RELAY,           "requests_total",                     "via=\"relay\"",             "") \
  X(M_VIA_OBSERVE,         "requests_total",                     "via=\"observe\"",           "") \
  DENY_STATUS(METRIC_DENIED, X) \
  X(M_SHADOWED,            "shadowed_total",                     "",                          "Counts denials and redactions that shadow mode did not enforce.") \
  X(M_SHADOW_SAME,         "shadow_policy_total",                "result=\"same\"",           "Counts decisions that shadow_policy evaluated too, by result.") \
  X(M_SHADOW_OTHER,        "shadow_policy_total",                "result=\"other\"",          "") \
  X(M_SHADOW_FAILED,       "shadow_policy_total",                "result=\"failed\"",         "") \
  X(M_FINDINGS,            "findings_total",                     "",                          "Counts entities found of the kinds that the policy uses.") \
  X(M_EVASIONS,            "evasions_total",                     "",                          "Counts requests with obfuscated values, or with characters that hide or reorder text.") \
  X(M_SCANNED_BYTES,       "scanned_bytes_total",                "",                          "Counts bytes of text that the detectors inspected.") \
  X(M_INJECTION_SUSPECT,   "injection_total",                    "level=\"suspect\"",        "Counts requests by injection score: suspect from 0.5, block from 0.9.") \
  X(M_INJECTION_BLOCK,     "injection_total",                    "level=\"block\"",          "") \
  X(M_CLASSIFIER_FAILED,   "classifier_failures_total",          "",                          "Counts classifications that returned no result.") \
  X(M_OVERWORKED,          "texts_overworked_total",             "",                          "Counts requests and responses with text too costly to search for its length.") \
  X(M_DATA_FETCHED,        "data_fetches_total",                 "result=\"ok\"",             "Counts fetches from Redis and URLs of data that conditions read, by result.") \
  X(M_DATA_FAILED,         "data_fetches_total",                 "result=\"failed\"",         "") \
  X(M_ROOM_FAILED,         "target_room_failures_total",         "",                          "Counts requests whose wait for a concurrent slot or an available target failed.") \
  X(M_FAILED,              "failed_requests_total",              "",                          "Counts permitted requests that ended with an error, as `audit search --outcome error` selects them.") \
  X(M_MEMO_HITS,           "memo_searches_total",                "result=\"hit\"",            "Counts searches of texts longer than 128 bytes, by whether the result was remembered.") \
  X(M_MEMO_MISSES,         "memo_searches_total",                "result=\"miss\"",           "") \
  X(M_CACHE_HITS,          "cache_requests_total",               "result=\"hit\"",            "Counts requests on routes with a response cache, by result.") \
  X(M_CACHE_MISSES,        "cache_requests_total",               "result=\"miss\"",           "") \
  X(M_CACHE_OFF,           "cache_requests_total",               "result=\"off\"",            "") \
  X(M_CACHE_HITS_NEAR,     "cache_near_hits_total",              "",                          "Counts cache hits with the response to a similar request.") \
  X(M_CACHE_HITS_MEANING,  "cache_semantic_hits_total",          "",                          "Counts cache hits with the response to a request of the same meaning.") \
  X(M_CACHE_EMBEDDED,      "cache_embeddings_total",             "outcome=\"ok\"",            "Counts prompts whose embedding the cache requested, by outcome.") \
  X(M_CACHE_UNEMBEDDED,    "cache_embeddings_total",             "outcome=\"failed\"",        "") \
  X(M_CACHE_EMBEDDED_TOKENS, "cache_embedded_tokens_total",      "",                          "Counts tokens used for embeddings of the response cache.") \
  X(M_CACHE_EMBEDDED_NANOUSD, "cache_embedded_nanousd_total",    "",                          "Counts the cost of the cache's embeddings, in billionths of a US dollar.") \
  X(M_CACHE_WAITED_HIT,    "cache_waits_total",                  "outcome=\"hit\"",           "Counts requests that waited for an identical request in flight, by outcome.") \
  X(M_CACHE_WAITED_ALONE,  "cache_waits_total",                  "outcome=\"alone\"",         "") \
  X(M_CACHE_KEPT,          "cache_kept_total",                   "",                          "Counts responses that the cache stored.") \
  X(M_FILES_EXTRACTED,     "files_extracted_total",              "",                          "Counts files that tollgate-extract returned a result for.") \
  X(M_FILES_FAILED,        "files_failed_total",                 "",                          "Counts files that tollgate-extract did not return a result for in time.") \
  X(M_SOUNDS_TRANSCRIBED,  "sounds_transcribed_total",           "",                          "Counts sounds that a transcriber returned a transcript for.") \
  X(M_SOUNDS_FAILED,       "sounds_failed_total",                "",                          "Counts sounds that a transcriber did not return a transcript for in time.") \
  X(M_CACHE_UNKEPT,        "cache_unkept_total",                 "",                          "Counts cache entries that Redis refused or did not store in time.") \
  X(M_CACHE_FAILED,        "cache_failures_total",               "",                          "Counts cache lookups that Redis did not reply to in time; each counts as a miss.") \
  X(M_CACHE_UNUSABLE,      "cache_unusable_total",               "",                          "Counts cache entries that could not be decrypted or converted; each counts as a miss.") \
  X(M_CACHE_SAVED_INPUT,   "cache_saved_tokens_total",           "kind=\"input\"",            "Counts tokens saved by cache hits, by kind.") \
  X(M_CACHE_SAVED_OUTPUT,  "cache_saved_tokens_total",           "kind=\"output\"",           "") \
  X(M_CACHE_SAVED_NANOUSD, "cache_saved_nanousd_total",          "",                          "Counts the cost saved by cache hits, in billionths of a US dollar.") \
  X(M_QUOTA_FAILED,        "quota_failures_total",               "",                          "Counts reservations that Redis did not reply to.") \
  X(M_QUOTA_ALONE,         "quota_alone_total",                  "",                          "Counts reservations made from this daemon's own share because Redis did not reply.") \
  X(M_QUOTA_LOST,          "quota_lost_total",                   "",                          "Counts corrections of limits dropped because the queue for an absent Redis was full.") \
  X(M_QUOTA_REPUBLISHED,   "quota_recounted_total",              "",                          "Counts counters that were added again after Redis lost them.") \
  X(M_QUOTA_UNKNOWN,       "quota_unknown_daemons_total",        "",                          "Counts workers that saw more daemons at their Redis than redis.daemons states.") \
  X(M_QUOTA_UNNOTED,       "quota_unnoted_total",                "",                          "Counts charges that a worker did not note because its table of counters was full.") \
  X(M_QUOTA_REFUSED,       "quota_refused_total",                "",                          "Counts requests refused because a limit was exceeded.") \
  X(M_REPEATED,            "repeated_total",                     "",                          "Counts requests that their SDK marks as a retry. Each is decided and counted as usual.") \
  X(M_TOKENS_RESERVED,     "tokens_reserved_total",              "",                          "Counts tokens that limits reserved.") \
  X(M_TOKENS_COUNTED,      "token_counts_total",                 "kind=\"exact\"",          "Counts prompts counted before the request whose tokens the provider reported, by kind.") \
  X(M_TOKENS_ESTIMATED,    "token_counts_total",                 "kind=\"estimated\"",      "") \
  X(M_TOKENS_OVER,         "token_estimate_error_total",         "side=\"over\"",           "Counts tokens by which prompt counts missed the provider's figure, by side.") \
  X(M_TOKENS_UNDER,        "token_estimate_error_total",         "side=\"under\"",          "") \
  X(M_TOKENS_SHORT,        "token_reserve_short_total",          "",                          "Counts requests whose prompt had more tokens than were reserved for it.") \
  X(M_TOKENS_INPUT,        "tokens_total",                       "type=\"input\"",            "Counts tokens that providers reported, by type.") \
  X(M_TOKENS_OUTPUT,       "tokens_total",                       "type=\"output\"",           "") \
  X(M_USAGE_UNKNOWN,       "usage_unknown_total",                "",                          "Counts responses on metered routes without a usable usage report of the provider.") \
  X(M_REDIS_ERRORS,        "redis_errors_total",                 "",                          "Counts Redis replies that were errors or arrived late.") \
  X(M_AUDIT_RECORDS,       "audit_records_total",                "",                          "Counts records made durable.") \
  X(M_AUDIT_COMMITS,       "audit_commits_total",                "",                          "Counts group commits of the journal.") \
  X(M_AUDIT_FAILED,        "audit_failures_total",               "",                          "Counts records that could not be made durable.") \
  X(M_TEXTS_CUT,           "sealed_texts_cut_total",             "",                          "Counts responses sealed only in part because too much data waited for the disk.") \
  X(M_AUDIT_GAVE_WAY,      "audit_stream_gave_way_total",        "",                          "Counts entries of the Redis Stream trimmed early because Redis was full.") \
  X(M_AUDIT_MIRRORED,      "audit_mirrored_total",               "",                          "Counts records copied to the Redis Stream.") \
  X(M_ANCHOR_FILE_TAKEN,     "anchors_total",                      "kind=\"file\",result=\"taken\"",          "Counts checkpoints sent to the places of anchors, by kind and result.") \
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
  X(M_WITNESS_200,           "witness_requests_total",             "status=\"200\"",            "Counts requests to this witness to cosign a checkpoint, by HTTP status.") \
  X(M_WITNESS_400,           "witness_requests_total",             "status=\"400\"",            "") \
  X(M_WITNESS_403,           "witness_requests_total",             "status=\"403\"",            "") \
  X(M_WITNESS_404,           "witness_requests_total",             "status=\"404\"",            "") \
  X(M_WITNESS_409,           "witness_requests_total",             "status=\"409\"",            "") \
  X(M_WITNESS_413,           "witness_requests_total",             "status=\"413\"",            "") \
  X(M_WITNESS_422,           "witness_requests_total",             "status=\"422\"",            "") \
  X(M_WITNESS_500,           "witness_requests_total",             "status=\"500\"",            "") \
  X(M_KEEP_PACKED,         "retention_compressed_total",         "",                          "Counts closed segments that retention compressed, read back and compared.") \
  X(M_KEEP_ARCHIVED,       "retention_archived_total",           "",                          "Counts segments copied to retention.archive, read back and compared.") \
  X(M_KEEP_TRIMMED,        "retention_trimmed_total",            "",                          "Counts segments that retention trimmed after a trim record named them.") \
  X(M_KEEP_FAILED,         "retention_failures_total",           "",                          "Counts steps of retention that failed. The daemon tries them again.") \
  X(M_CHECKPOINTS,         "audit_checkpoints_total",            "",                          "Counts checkpoints made durable.") \
  X(M_START_WRITTEN,       "start_checkpoints_total",            "result=\"written\"",        "Counts start checkpoints (JOURNAL.start), by result.") \
  X(M_START_FAILED,        "start_checkpoints_total",            "result=\"failed\"",         "") \
  X(M_START_REFUSED,       "start_checkpoints_total",            "result=\"refused\"",        "") \
  X(M_START_ALTERED,       "start_journal_altered_total",        "",                          "Counts segments found altered before the start checkpoint, after a start.") \
  X(M_TREE_LEAVES,         "audit_tree_leaves_total",            "",                          "Counts records added to the hash files of the tree.") \
  X(M_TREE_ERRORS,         "audit_tree_errors_total",            "",                          "Counts hash files of the tree that could not be written or were wrong.") \
  X(M_AUTH_FAILED,         "credentials_refused_total",          "",                          "Counts credentials that did not verify.") \
  X(M_KEYS_FETCHED,        "key_fetches_total",                  "result=\"ok\"",             "Counts fetches of issuers' key sets, by result.") \
  X(M_KEYS_FAILED,         "key_fetches_total",                  "result=\"failed\"",         "") \
  X(M_CREDENTIALS_FETCHED, "credential_fetches_total",           "result=\"ok\"",             "Counts fetches of credentials for providers, by result. failed includes unusable files.") \
  X(M_CREDENTIALS_FAILED,  "credential_fetches_total",           "result=\"failed\"",         "") \
  X(M_CALLER_TOKENS_FETCHED, "caller_tokens_total", "result=\"exchanged\"", "Counts tokens of callers for providers with exchange or on_behalf_of, by result: exchanged, kept (a token that was still in force), refused by the identity provider, or failed.") \
  X(M_CALLER_TOKENS_KEPT,    "caller_tokens_total", "result=\"kept\"",      "") \
  X(M_CALLER_TOKENS_REFUSED, "caller_tokens_total", "result=\"refused\"",   "") \
  X(M_CALLER_TOKENS_FAILED,  "caller_tokens_total", "result=\"failed\"",    "") \
  X(M_LIVE_FORGED,         "live_refused_total",                 "reason=\"forged\"",         "Counts entries of keys and limits in Redis that this daemon refused, by reason.") \
  X(M_LIVE_OLDER,          "live_refused_total",                 "reason=\"older\"",          "") \
  X(M_LIVE_FULL,           "live_full_total",                    "",                          "Counts keys and overrides that this daemon refused because its table was full.") \
  X(M_TARGETS_JUNK,        "target_facts_refused_total",         "",                          "Counts entries about targets in Redis that no daemon wrote and that were replaced.") \
  X(M_AUTH_CACHE_HIT,      "token_cache_hits_total",             "",                          "Counts credentials that the cache of verified credentials had.") \
  X(M_TICKET_WRONG,        "tickets_refused_total",              "",                          "Counts requests to the relay without a valid ticket.") \
  X(M_TICKET_EXPIRED,      "tickets_expired_total",              "",                          "Counts decisions whose request never reached the relay.") \
  X(M_HANDOVERS,           "relay_handovers_total",              "",                          "Counts decisions moved between workers.") \
  X(M_RELAY_CONNS,         "relay_connections_total",            "side=\"edge\"",             "Counts connections of the relay, by side.") \
  X(M_RELAY_UPSTREAM,      "relay_connections_total",            "side=\"egress\"",           "") \
  X(M_RELAY_REUSED,        "relay_reused_total",                 "",                          "Counts requests that the relay sent on a pooled connection.") \
  X(M_RELAY_ABORTS,        "relay_aborts_total",                 "",                          "Counts exchanges that either side aborted.") \
  X(M_HAPROXY_ANSWERED,    "haproxy_answered_total",             "",                          "Counts relay requests that HAProxy replied to itself, in place of the provider.") \
  X(M_ANSWERS_DENIED,      "answers_denied_total",               "",                          "Counts responses that a rule of phase response denied.") \
  X(M_JOIN_LEFT_OUT,       "mcp_left_out_total",                 "",                          "Counts MCP servers that were left out of a response of a joined route.") \
  X(M_TOOLS_HIDDEN,        "tools_hidden_total",                 "",                          "Counts entries of MCP lists that rules of phase tool removed.") \
  X(M_URI_REFUSED,         "odd_uris_total",                     "result=\"refused\"",       "Counts requests whose URI is not in its normal form, by result.") \
  X(M_URI_PASSED,          "odd_uris_total",                     "result=\"passed\"",        "") \
  X(M_ANSWERS_UNREAD,      "answers_unread_total",               "",                          "Counts responses refused because the gateway could not inspect them.") \
  X(M_ANSWERS_REDACTED,    "answers_redacted_total",             "",                          "Counts findings replaced in responses.") \
  X(M_ANSWERS_UNRESOLVED,  "answers_unresolved_total",           "",                          "Counts placeholders left in responses because their value is not known here.") \
  X(M_ANSWERS_RESTORED,    "answers_restored_total",             "",                          "Counts placeholders replaced by their values in responses.") \
  X(M_STREAM_TEXT,         "stream_text_bytes_total",            "",                          "Counts bytes of text in streams that were inspected or restored.") \
  X(M_STREAM_HELD,         "stream_held_byte_seconds_total",     "",                          "Counts bytes of such stream text multiplied by the seconds they were held.") \
  X(M_STREAM_MOST,         "stream_held_most_bytes_total",       "",                          "Adds up the most bytes that each such stream held at one time.") \
  X(M_RELAY_ERRORS,        "relay_errors_total",                 "",                          "Counts exchanges that ended because of a protocol error or a timeout.") \
  X(M_RELAY_BYTES_UP,      "relay_bytes_total",                  "direction=\"request\"",     "Counts body bytes that the relay forwarded, by direction.") \
  X(M_RELAY_BYTES_DOWN,    "relay_bytes_total",                  "direction=\"response\"",    "") \
  X(M_LABELS_OVER,         "labels_over_total",                  "",                          "Counts decisions counted under label other because the tables of labels were full.") \
  X(M_TURNS_LONG,          "long_turns_total",                   "",                          "Counts turns of a worker's event loop that took 50 ms or more.") \
  X(M_HELD_REFUSED,        "held_refused_total",                 "",                          "Counts requests refused because of the limit on held bytes.") \
  X(M_TELEMETRY_SPANS_SENT, "telemetry_spans_total", "result=\"sent\"", "Counts spans for telemetry.otlp, by result.") \
  X(M_TELEMETRY_SPANS_FULL, "telemetry_spans_total", "result=\"full\"", "") \
  X(M_TELEMETRY_SPANS_REFUSED, "telemetry_spans_total", "result=\"refused\"", "") \
  X(M_TELEMETRY_SPANS_REJECTED, "telemetry_spans_total", "result=\"rejected\"", "") \
  X(M_TELEMETRY_SPANS_UNREAD, "telemetry_spans_total", "result=\"unread\"", "") \
  X(M_TELEMETRY_SPANS_AWAY, "telemetry_spans_total", "result=\"away\"", "") \
  X(M_TELEMETRY_POINTS_SENT, "telemetry_points_total", "result=\"sent\"", "Counts metric points for telemetry.otlp, by result.") \
  X(M_TELEMETRY_POINTS_FULL, "telemetry_points_total", "result=\"full\"", "") \
  X(M_TELEMETRY_POINTS_REFUSED, "telemetry_points_total", "result=\"refused\"", "") \
  X(M_TELEMETRY_POINTS_REJECTED, "telemetry_points_total", "result=\"rejected\"", "") \
  X(M_TELEMETRY_POINTS_UNREAD, "telemetry_points_total", "result=\"unread\"", "") \
  X(M_TELEMETRY_POINTS_AWAY, "telemetry_points_total", "result=\"away\"", "") \
  X(M_ADMIN_TOKEN,         "admin_refused_total",                "why=\"token\"",              "Counts requests that the admin server refused, by reason (label why).") \
  X(M_ADMIN_RATE,          "admin_refused_total",                "why=\"rate\"",               "") \
  X(M_ADMIN_ROLE,          "admin_refused_total",                "why=\"role\"",               "") \
  X(M_ADMIN_HOST,          "admin_refused_total",                "why=\"host\"",               "") \
  X(M_ADMIN_ORIGIN,        "admin_refused_total",                "why=\"origin\"",             "") \
  X(M_ADMIN_SHARE,         "admin_refused_total",                "why=\"share\"",              "") \
  X(M_ADMIN_SUMMED,        "admin_reads_summed_total",           "",                          "Counts readings over the caller's share, which one record each second adds up.") \
  X(M_ADMIN_CROWDED,       "admin_crowded_total",                "",                          "Counts idle connections to the admin server closed to make room for others.") \
  X(M_LOG_DROPPED,         "log_dropped_total",                  "",                          "Counts log lines dropped because the log's reader did not accept them in time.") \
  X(M_CHILD_DONE,          "admin_children_total",               "end=\"exited\"",            "Counts child processes of the admin server, by how they ended.") \
  X(M_CHILD_DIED,          "admin_children_total",               "end=\"signal\"",            "") \
  X(M_CHILD_LATE,          "admin_children_total",               "end=\"deadline\"",          "") \
  X(M_CHILD_TOO_LONG,      "admin_children_total",               "end=\"too_long\"",          "") \
  X(M_CHILD_LEFT,          "admin_children_total",               "end=\"client_gone\"",       "") \
  X(M_CHILD_STOPPED,       "admin_children_total",               "end=\"stopped\"",           "") \
  X(M_CHILD_FAILED,        "admin_children_total",               "end=\"not_started\"",       "") \
  X(M_CHILD_REFUSED,       "admin_children_refused_total",       "",                          "Counts admin requests refused with 503 because the queue for a child was full.") \
  X(M_DECISION_VIEWERS_REFUSED, "decision_viewers_refused_total", "",                        "Counts requests for /decisions/live refused because of the limit on viewers.") \
  X(M_DECISION_VIEWERS_DROPPED, "decision_viewers_dropped_total", "",                        "Counts streams of /decisions/live closed because their viewer did not read.") \
  X(M_NOTIFY_SENT,         "notify_total",                       "result=\"sent\"",           "Counts notices for the webhook of notify.url, by result.") \
  X(M_NOTIFY_RETRIED,      "notify_total",                       "result=\"retried\"",        "") \
  X(M_NOTIFY_FAILED,       "notify_total",                       "result=\"failed\"",         "") \
  X(M_NOTIFY_SUPPRESSED,   "notify_total",                       "result=\"suppressed\"",     "") \
  X(M_NOTIFY_DROPPED,      "notify_total",                       "result=\"dropped\"",        "") \
  X(M_RELOADS,             "reloads_total",                      "result=\"ok\"",             "Counts reloads of the configuration, by result.") \
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

/* Writes the sums over n blocks in the Prometheus text format 0.0.4, with the prefix tollgate_.
 * Any thread. */
void metrics_write(struct buf *out, struct metrics *const *blocks, size_t n);
/* Writes the HELP and TYPE lines of a metric that is not in the table. */
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);

#endif
