/* The limits of everything that callers, peers and files can make grow. Each row has the limit,
 * its unit, and what happens beyond it. Values that a site may want to change are options of
 * tollgate.yaml, with these as defaults. A table of a single module with a fixed size (counters
 * of limits without Redis, remembered tokens, buckets of tickets) has its size in that module. */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

/* clang-format off */
#define CAP_FRAME_BYTES        (1u << 20)   /* bytes of an SPOP frame; the reply to a larger value in HELLO has this one */
#define CAP_SPOP_CONNS         4096         /* agent connections of a worker; further ones are closed at accept */
#define CAP_SPOP_CALLS         1024         /* NOTIFYs in flight on a connection; it is not read until one gets its ACK */
#define CAP_SPOP_UNSENT        (1u << 20)   /* bytes of ACKs that HAProxy has not accepted; the connection is not read until it does */
#define CAP_SPOP_OUT           (64u << 20)  /* all unsent bytes of a connection; it is closed */
#define CAP_SPOP_HELD          (256u << 20) /* bytes of frames in memory of a worker; no further frame is begun until one gets its ACK */
#define CAP_SPOP_CACHED        (4u << 20)   /* bytes of released frame memory that a worker keeps; the rest is freed */
#define CAP_SPOP_MESSAGES      64           /* messages in a NOTIFY: DISCONNECT 13 */
#define CAP_SPOP_ARGS          1024         /* arguments in a NOTIFY: DISCONNECT 13 */
#define CAP_SPOP_HELLO_BYTES   16384        /* bytes of a frame before the handshake: DISCONNECT 3 */
#define CAP_SPOP_ENGINE_BYTES  128          /* bytes of an engine-id; it is cut */
#define CAP_HEAD_BYTES         (256u << 10) /* bytes of an HTTP head at the relay: 503 for a response, 400 and a closed connection for a request */
#define CAP_HEADERS            256          /* header fields in a head: 400 */
#define CAP_CONNECTION_OPTIONS 64           /* names in Connection fields: 400 */
#define CAP_TARGET_BYTES       (32u << 10)  /* path and query: 400 */
#define CAP_METHOD_BYTES       32           /* a request's method: 400 */
#define CAP_BODY_BYTES         (32u << 20)  /* default of limits.body: 413 */
#define CAP_INFLATE_RATIO      100          /* decoded bytes per encoded byte: 413 */
#define CAP_INFLATE_FREE_BYTES (4u << 20)   /* bytes of decoded size up to which any ratio is accepted, because repetitive text is no bomb */
#define CAP_JSON_DEPTH         128          /* nesting: 400 */
#define CAP_JSON_NODES         1000000      /* values and keys in a body: 413 */
#define CAP_SEGMENTS           1000000      /* text segments in a body: 413 */
#define CAP_MEDIA_POINTS       40000000     /* pixels of a picture inside a request; it counts as unreadable */
#define CAP_MEDIA_TEXTS        4096         /* texts in a file's metadata; beyond, the file counts as unreadable */
#define CAP_MEDIA_TEXT_BYTES   (1u << 20)   /* bytes of the texts in a file's metadata, decompressed; beyond, the file counts as unreadable */
#define CAP_MEDIA_PARTS        65536        /* tags and boxes in a file's metadata; beyond, the file counts as unreadable */
#define CAP_MODELS             16           /* different models in a body with many requests: 400; in members outside its rows: 413 */
#define CAP_FINDINGS           100000       /* findings of a request: the declared outcome of the classifier; for a denial, 413 */
#define CAP_MENTION_BYTES      (2u << 20)   /* different bytes of a request's values whose further mentions are searched: 413; e-mail addresses and values of `spreads: distinct` beyond a quarter of it are left to their detectors */
#define CAP_MENTIONS           1000000      /* further mentions found in a request: 413 */
#define CAP_DECODE_DEPTH       4            /* encodings inside encodings (base64, hex, …): the declared outcome of the classifier; for a denial, 413 */
#define CAP_DECODE_RATIO       4            /* bytes decoded during a scan for each byte of its text: the declared outcome of the classifier */
#define CAP_WORK_RATIO         128          /* limit of the work on a searched text, in units (effort.h): this many for each of its first CAP_WORK_FIRST bytes, */
#define CAP_WORK_FIRST         (1u << 10)   /* see CAP_WORK_RATIO */
#define CAP_WORK_FURTHER       80           /* this many for each further byte, */
#define CAP_WORK_STREAM        3000         /* this many instead for each byte of a text that arrives in pieces, */
#define CAP_WORK_TEXT          (32u << 10)  /* and this many for the text itself. Beyond the sum: the declared outcome of the classifier; for a denial, 413 */
#define CAP_TOKEN_BYTES        8192         /* a JWT: 401 */
#define CAP_CREDENTIAL_BYTES   8192         /* bytes of a credential of the gateway for a provider; a longer one is not used */
#define CAP_CALLER_TOKENS      4096         /* callers' tokens for providers that are kept, and callers who wait for one; the least recently used ones are dropped */
#define CAP_JWKS_KEYS          1000         /* keys in a key set: the set is refused */
#define CAP_YAML_BYTES         (8u << 20)   /* a configuration file: refused */
#define CAP_YAML_NODES         500000       /* nodes after aliases: refused (YAML bombs) */
#define CAP_YAML_DEPTH         64           /* nesting of a YAML file: refused */
#define CAP_PRICES             4096         /* models of a provider in a price list: refused */
#define CAP_PRICE_LISTS        256          /* providers in a price list: refused */
#define CAP_INCLUDES           64           /* files of a policy: refused */
#define CAP_WATCHED            1024         /* files whose change causes a reload; further ones are not watched */
#define CAP_INCLUDE_DEPTH      8            /* includes in includes: refused */
#define CAP_ERROR_BYTES        1024         /* bytes of the `error` variable, and of an error document; the message is cut until it fits */
#define CAP_VAR_BYTES          256          /* bytes of any other HAProxy variable; it is cut */
#define CAP_LOGIN_URL_BYTES    256          /* a URL of a route's login: refused */
#define CAP_SCOPE_BYTES        256          /* bytes of the scopes that a login asks for, or that a rule reports as missing: refused */
#define CAP_TOKEN_SCOPES       512          /* bytes of the scopes of a caller's token; longer ones are not requested again */
#define CAP_CHALLENGE_BYTES    1536         /* the `challenge` variable: left out */
#define CAP_NOTICES            256          /* notices waiting for the webhook; further ones are dropped and counted */
#define CAP_NOTIFY_BODY        (16u << 10)  /* bytes of a webhook's body; a longer one is not sent and counts as failed */
#define CAP_NOTIFY_ANSWER      (16u << 10)  /* bytes of a webhook's response; a longer one counts as a refusal */
#define CAP_TREE_LEAVES        65536        /* hashes waiting for the tree's files; further ones are read from the journal later */
#define CAP_RECORD_BYTES       (64u << 10)  /* bytes of an audit record; lists in it are cut, with their true count */
#define CAP_FILES              32           /* files of a request that are sent to tollgate-extract; further files count as uninspected */
#define CAP_EXTRACT_ANSWER     (32u << 20)  /* bytes of tollgate-extract's result, which is 4 MB of text as JSON, and its places; the file counts as uninspected */
#define CAP_INLINE_BODY        (48u << 10)  /* bytes of a body that a worker inspects itself; a helper thread gets a longer one. At the work limit, a text of this length ends in under 10 ms */
#define CAP_INLINE_DEAR        (24u << 10)  /* the same limit as CAP_INLINE_BODY, for a minute after a text took CAP_DEAR_WORK. At the work limit, a text of this length ends in under 10 ms */
#define CAP_DEAR_WORK          3000000      /* units of work (effort.h) for one text: about 6 ms */
#define CAP_ESTIMATED_BODY     (1u << 20)    /* bytes of a body for which tokens may be reserved by its length; in a longer body, the tokens are counted */
#define CAP_INLINE_ANSWER      (64u << 10)  /* bytes of a response without a stream that a worker inspects itself; a helper thread gets a longer one */
#define CAP_INLINE_EVENTS      (4u << 10)   /* bytes of an event, or of events that arrived together, that a worker inspects itself; a helper thread gets longer ones */
#define CAP_HELPERS            8            /* helper threads for long bodies and responses; further work waits for one */
#define CAP_INDEX_SEGMENT      (256u << 20) /* bytes of a closed segment that the daemon indexes, with half of it in memory; the first search indexes a larger one */
#define CAP_REQUEST_ARENA      (160u << 20) /* bytes of a request's arena: 413 */
#define CAP_TICKETS            16384        /* decisions of a worker that wait for their request: 503 */
#define CAP_SSE_EVENT_BYTES    (1u << 20)   /* bytes of an SSE event that must be read whole (an event of MCP: CAP_ANSWER_BYTES); a longer one passes uninspected and is counted */
#define CAP_COMMAND_HELD       (1u << 20)   /* bytes of a command in a stream that is held back to its end; beyond, its placeholders are not replaced */
#define CAP_EVENT_TEMPLATE     2048         /* bytes of the event by which later ones are read; a longer one is parsed */
#define CAP_ANSWER_BYTES       (8u << 20)   /* bytes of a response that is inspected or restored whole; a longer one gets the outcome that on_failure.classifier of its route declares */
#define CAP_ANSWER_WORK        (128u << 20) /* bytes of memory for reading a response; beyond, the response is cut off */
#define CAP_ANSWER_CHANNELS    128          /* choices, blocks and calls of a stream at a time; beyond, the response is cut off */
#define CAP_CALLS              256          /* calls of a response that rules of phase tool read; beyond, the response ends */
#define CAP_CALL_ARGUMENTS     (4u << 20)   /* bytes of the arguments of one call; beyond, the response ends */
#define CAP_ARGUMENT_VALUES    100000       /* values in the arguments of one call; beyond, the arguments count as one text, and reading a member fails */
#define CAP_CALL_EVENT         (16u << 20)  /* bytes of an event of a stream whose calls are held; beyond, the stream ends */
#define CAP_CALLS_EVENTS       (256u << 10) /* bytes of events that wait for a call's end and then pass unchanged; beyond, the arguments are sent in events of 16 KB */
#define CAP_CALLS_HELD         (32u << 20)  /* all bytes of a response that wait because its calls are incomplete; beyond, the response ends */
#define CAP_ANSWER_RUNS        4096         /* channels and unknown members of a response, open or closed; the oldest is forgotten, and if it was closed it counts as uninspected */
#define CAP_USAGE_BODY_BYTES   (4u << 20)   /* bytes of a response body kept to read its usage and texts; of a longer one only the usage is read (64 KB) */
#define CAP_VAULT_BYTES        (8u << 20)   /* bytes of a request's values kept to be restored in its response; further ones stay placeholders */
#define CAP_NONCES             (1u << 19)   /* nonces of signed headers that are remembered for the permitted clock skew; beyond, 401 */
#define CAP_OPERATION_TOOLS    1024         /* tools that `operations` of a policy names: refused at load */
#define CAP_TOOL_NAMES         1024         /* names in `tools` of a policy: refused at load */
#define CAP_DATA               16           /* sources of a policy's `data`: refused at load */
#define CAP_DATA_BYTES         (1u << 20)   /* bytes of a hash or document from outside: the source's on_failure */
#define CAP_DATA_FIELDS        10000        /* fields of a hash: the source's on_failure */
#define CAP_DATA_DEPTH         32           /* nesting of a document: the source's on_failure */
#define CAP_CEL_BYTES          (32u << 10)  /* a condition's text: refused at load */
#define CAP_CEL_NODES          10000        /* operators, calls and operands of a condition: refused at load */
#define CAP_CEL_DEPTH          250          /* nesting of a condition: refused at load */
#define CAP_CEL_SLOTS          256          /* different fields that a condition reads: refused at load */
#define CAP_CEL_VARS           32           /* variables of macros alive at the same time: refused at load */
#define CAP_CEL_STEPS          200000       /* steps of an evaluation: the rule's on_error */
#define CAP_CEL_EVAL_BYTES     (8u << 20)   /* memory of an evaluation: the rule's on_error */
#define CAP_RELAY_CONNS        8192         /* edge connections of a worker; further ones are closed at accept */
#define CAP_RELAY_AHEAD        (64u << 10)  /* bytes of a request read ahead of the upstream; reading pauses */
#define CAP_RELAY_UNSENT       (256u << 10) /* bytes of a response that the edge has not accepted; reading the upstream pauses */
#define CAP_SOCKET_MESSAGE     (1u << 20)   /* bytes: default of a route's websocket: {message}; close 1009, for a provider's message 1011 */
#define CAP_SOCKET_MESSAGE_MAX (16u << 20)  /* largest permitted value of websocket: {message}, in bytes: `check` refuses more */
#define CAP_SOCKET_FRAGMENTS   1024         /* frames of one message: close 1009, for a provider's message 1011 */
#define CAP_SOCKET_CONTROLS    64           /* pings and pongs of a burst, and as many more in each ten seconds: close 1008 */
#define CAP_SOCKET_DECIDED     250          /* messages of a client decided in a burst, and as many more in each ten seconds; reading the client pauses */
#define CAP_SOCKET_TURNS       8            /* concurrent responses of one session: an error event, close 1008 */
#define CAP_SOCKET_JOINED      16           /* messages of a session that wait for a shared record; the next message has a record of its own */
#define CAP_SOCKET_RESPONSE_ID 128          /* bytes of a response's id: close 1011 */
#define CAP_SOCKET_NAMES       (64u << 10)  /* bytes of property names that a session keeps from the schemas of its messages; keys of later arguments with other names are no identifiers */
#define CAP_PREAMBLE           (1u << 20)   /* bytes of a stream before its first content, while another attempt is possible; beyond, or beyond limits.held, the stream is the response */
#define CAP_STREAM_HELD        4096         /* bytes of a stream held back for an open candidate; it becomes a finding, or counts as uninspected */
#define CAP_CROSSINGS          1024         /* values across the ends of a stream's blocks that are kept; more count as uninspected */
#define CAP_TICKET_BYTES       96           /* a ticket: 503 */
#define CAP_HTTP_CALLS         1024         /* the daemon's own HTTP calls in flight of a thread; a further call is refused immediately */
#define CAP_HTTP_HEAD          (64u << 10)  /* bytes of the head of a response to such a call: the call fails */
#define CAP_RULE_WORDS         1000         /* words in a list of a detector rule: refused at load */
#define CAP_RULE_LITERALS      20000        /* literals, and words that patterns begin with, of all rules: refused at load */
#define CAP_RULE_ALIKE         512          /* literals and words whose first three letters have the same hash: refused at load */
#define CAP_RULE_REGEX         (16u << 10)  /* bytes of a pattern with its definitions: refused at load */
#define CAP_RULE_NODES         50000        /* parts of a pattern, including those that its references repeat; beyond, PCRE2 alone decides */
#define CAP_RECOGNIZERS        15           /* entries of detectors.external: `check` refuses more */
#define CAP_TRANSCRIBERS       4            /* entries of transcribers: `check` refuses more */
#define CAP_TRANSCRIPT         (4u << 20)   /* bytes of a transcriber's response: it has failed */
#define CAP_RECOGNIZED         10000        /* findings of an external recognizer in a text: the recognizer has failed */
#define CAP_RECOGNIZER_ANSWER  (1u << 20)   /* bytes of a recognizer's response: it has failed */
#define CAP_RECOGNIZER_CALLS   64           /* calls of a recognizer for one request: it has failed for this request */
#define CAP_RECOGNIZER_TEXTS   256          /* texts in one call; further ones are sent in the next */
#define CAP_RECOGNIZER_ITEMS   65536        /* texts of one request for a recognizer: it has failed for this request */
#define CAP_RECOGNIZER_QUEUE   256          /* calls of a worker that wait for a recognizer's concurrency: it has failed */
#define CAP_RECOGNIZER_CACHE   (32u << 20)  /* bytes of the remembered responses of all recognizers, for each worker; the oldest are dropped */
#define CAP_LOG_BYTES          (1u << 20)   /* bytes of log lines that stderr has not accepted; further ones are dropped and counted */
#define CAP_TELEMETRY_RECORDS  8192         /* records of sampled requests that wait to become spans; further ones are counted as full */
#define CAP_TELEMETRY_BYTES    (8u << 20)   /* bytes of the records that wait to become spans; further ones are counted as full */
#define CAP_TELEMETRY_BODY     (16u << 20)  /* bytes of a batch for the collector; it is not sent, and counted as full */
#define CAP_TELEMETRY_ANSWER   (64u << 10)  /* bytes of the collector's response; a batch with a longer one gets the result `unread` */
#define CAP_TELEMETRY_SERIES   256          /* sets of provider, operation, model and error in the GenAI metrics; further ones are `other` */
#define CAP_RECENT             64           /* last decisions that a worker keeps for `tollgate top`; the oldest are dropped */
#define CAP_DECISION_VIEWERS   64           /* concurrent viewers of GET /decisions/live: 503 */
#define CAP_VIEWERS_EACH       8            /* concurrent streams of one viewer: 503 */
#define CAP_DECISION_EVENTS    16384        /* last records from which a viewer may begin, and events in memory; older ones are reported as a gap */
#define CAP_DECISION_BYTES     (8u << 20)   /* bytes of the events in memory while anybody views them; the oldest are dropped, and a viewer that did not read these is disconnected */
#define CAP_NEAR               256          /* callers near a limit that a worker keeps for GET /limits/near; the oldest entry is dropped */
#define CAP_SERIES             512          /* sets of route, provider and model that /metrics distinguishes; further ones are `other`, counted in labels_over_total */
#define CAP_SERIES_MODELS      128          /* model names that /metrics distinguishes, from permitted requests only; further ones are `other`, counted in labels_over_total */
#define CAP_LIVE_ENTRIES       16384        /* keys and overrides made at run time, including those that ended within a day; a further one is refused */
#define CAP_LIVE_ENDED         1024         /* entries beyond CAP_LIVE_ENTRIES that only revoke a key or end an override; a further one is refused */
#define CAP_LIVE_ERASURES      32768        /* erasures, which are kept forever; a further one is refused */
#define CAP_LIVE_GONE          65536        /* names of purged entries of which an old copy could come into force again; a further one is not purged */
#define CAP_LIVE_ENTRY_BYTES   8192         /* bytes of one entry: refused */
#define CAP_TOOL_PINS          65536        /* pins of tools, prompts and instructions; a further one counts as changed: hidden and denied */
#define CAP_TOOL_PINS_SERVER   4096         /* pins of one server; a further one counts as changed (hidden and denied), and so do the server's unlisted tools. Other servers can still get pins */
#define CAP_TOOL_PIN_SERVERS   256          /* servers that have pins; the tools of a further server count as changed: hidden and denied */
#define CAP_TOOL_PIN_HASHES    8            /* approved texts of a pin; a further one is refused */
#define CAP_TOOL_PIN_ENTRY     (256u << 10) /* bytes that a server declares for one tool; a longer one counts as changed */
#define CAP_TOOL_PIN_TEXT      (16u << 10)  /* bytes of a pin's text; a longer one is hashed, and not kept for `tools show` and `diff` */
#define CAP_TOOL_PIN_LINE      (256u << 10) /* bytes of a pin on disk or in Redis: refused */
#define CAP_TOOL_PIN_TEXTS     (4u << 20)   /* bytes of all texts of a server's pins; a further text is hashed, and not kept for `tools show` and `diff` */
#define CAP_TOOL_DESCRIPTIONS  (256u << 10) /* bytes of the names and descriptions of a chat request's tools, for tool.description in its response; reading a further one fails */
#define CAP_TOOL_RESULTS       1024         /* names of tools whose results a request has; reading prompt.tool_results fails, and the rule's on_error applies */
#define CAP_ORIGIN_WORDS       (2u << 20)   /* words of a conversation in which values of calls are looked up; with more, reading the origins of a value fails, and the rule's on_error applies */
#define CAP_ORIGIN_STEPS       (32u << 20)  /* comparisons of words for the values of one call: likewise */
#define CAP_ORIGIN_VALUES      4096         /* values and pieces of URLs in the arguments of one call: likewise */
#define CAP_ORIGIN_RECORD      (16u << 10)  /* bytes of the origins of one call in a record; longer ones are left out, and the call cannot be replayed by rules that read them */
#define CAP_LABELS             32           /* labels of a policy: `check` refuses more */
#define CAP_KEPT_VALUES        4096         /* values of a stored conversation that are restored in later turns; further ones stay placeholders */
#define CAP_KEPT_BYTES         (64u << 20)  /* bytes of sealed tables of stored conversations in this process; the ones unused for longest are dropped, and their placeholders stay */
#define CAP_PINS               65536        /* subjects whose target is remembered in this process; the oldest of eight is dropped */
#define CAP_TARGETS            1024         /* targets (provider, model) whose state is known; further ones share one entry, which is never ejected */
#define CAP_TARGET_LACKS       256          /* models known to be missing at a target; a further one is requested again */
#define CAP_TARGET_QUEUE       64           /* requests that wait for free capacity at a provider, or for an ejected target of the provider; a further one uses another target, or is refused */
#define CAP_ANCHOR_PLACES      16           /* places that checkpoints are sent to: `check` refuses more */
#define CAP_ANCHOR_ANSWER      (32u << 10)  /* bytes of a place's response: refused */
#define CAP_AUDITORS           16           /* auditors that texts are sealed to: `check` refuses more */
#define CAP_WITNESS_LOGS       256          /* logs that the witness follows: `check` refuses more */
#define CAP_WITNESS_REQUEST    (72u << 10)  /* bytes of a request for a cosignature: 413 */
#define CAP_WITNESS_CONNS      256          /* connections of the witness: further ones are closed at accept */
#define CAP_ADMIN_USERS        1024         /* rows of admin.users: `check` refuses more */
#define CAP_ADMIN_TOKENS       1024         /* tokens of admin.tokens, revoked ones included: the file is refused */
#define CAP_ADMIN_SESSIONS     256          /* sessions of browsers, 16 for each token; beyond, the session unused for longest ends */
#define CAP_ADMIN_SOURCES      1024         /* addresses or uids whose wrong tokens are counted; the oldest is forgotten */
#define CAP_ADMIN_CONNS        256          /* connections of one listener of the admin server; near the limit, one that has sent no request makes room */
#define CAP_ADMIN_CONNS_EACH   64           /* connections of one caller; a further one gets 503 and is closed */
#define CAP_ADMIN_HELD         (16u << 20)  /* bytes of responses in progress at a listener for one caller; a further one gets 503 and is closed */
#define CAP_ADMIN_CALLERS      2048         /* callers whose records are counted; the one without a record for longest is dropped */
#define CAP_ADMIN_COMMANDS     8            /* different commands that are counted for a caller's readings before they are recorded; further ones are counted as `other` */
#define CAP_ADMIN_RESERVE      (64u << 20)  /* bytes of the journal's disk, or a twentieth of a small one, reserved for decisions; records of the admin server stop there */
#define CAP_KEYRING            256          /* signing keys of a journal, including all earlier ones; no further rotation */
#define CAP_KEYRING_ROOTS      8            /* roots that certify the signing keys of a journal; a further one is not accepted */
#define CAP_CHILDREN           3            /* short-lived children of the admin server that run at the same time, one fewer for one caller; further ones wait. One long-running child (verification) may run besides */
#define CAP_CHILDREN_QUEUE     32           /* children that wait; a further one gets 503 */
#define CAP_CHILDREN_EACH      6            /* children of one caller that run or wait; a further one gets 503 */
#define CAP_CHILD_OUT          (16u << 20)  /* bytes of one child's output: the child is killed. Also the bytes of a caller's responses in progress, and a quarter of those of all callers: no further child begins */
#define CAP_CHILD_DATA         (768u << 20) /* bytes of a child's heap and stacks; its allocations fail */
#define CAP_SHARES             1048576      /* holders that have a share of the keys of their texts; a further holder's texts are not sealed (on_failure.audit) */
#define CAP_SHARES_ERASURES    65536        /* erasures that a file of shares notes; the oldest is forgotten and would be carried out again */
#define CAP_SEALS              4096         /* holders whose seal a worker keeps; the holder whose seal was used longest ago begins a new seal */
#define CAP_SEALS_AHEAD        64           /* seals that are made in advance; a worker that finds none makes one */
#define CAP_TEXTS_WAITING      (64u << 20)  /* bytes of texts that wait for the disk; the rest of a response in progress is not kept, and its record is marked; a new one cannot be kept (on_failure.audit) */
#define CAP_SEAL_STEPS         (1u << 20)   /* texts of a seal; a further one begins a new seal */
#define CAP_INTERIM            16           /* interim (1xx) responses before a response: 503 */
/* clang-format on */

#endif
