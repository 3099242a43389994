/* Every error in a policy is refused with file:line:column, and all errors are reported
 * together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/guard.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD

static const struct policy_mistake rows[] = {
	/* the head */
	{ "a list at the top", "- a\n", ":1:1: policy: a mapping is expected, found a list" },
	{ "no language version", "name: t\nroutes: [{name: a, match: {path: /}}]\n",
		":1:1: tollgate: the version of the language is missing: add tollgate: 1" },
	{ "another language version",
		"tollgate: 2\nname: t\nroutes: [{name: a, match: {path: /}}]\n",
		":1:11: tollgate: 1 is expected, found 2" },
	{ "a quoted language version",
		"tollgate: '1'\nname: t\nroutes: [{name: a, match: {path: /}}]\n",
		":1:11: tollgate: 1 is expected" },
	{ "no name", "tollgate: 1\nroutes: [{name: a, match: {path: /}}]\n",
		":1:1: name is missing" },
	{ "a name with a blank",
		"tollgate: 1\nname: a b\nroutes: [{name: a, match: {path: /}}]\n",
		":2:7: a name of 1 to 64 letters, digits and . _ - : / is expected, found a "
		"b" },
	{ "a name with @", "tollgate: 1\nname: a@b\nroutes: [{name: a, match: {path: /}}]\n",
		":2:7: a name of" },
	{ "an unknown key with a near one", H "ruls: []\n",
		":5:1: ruls: unknown key, did you mean rules?; accepted: tollgate, name, "
		"mode" },
	{ "an unknown key that may be no key at all is not quoted whole",
		H "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY: 1\n",
		":5:1: wJalrXUtnFEMIK7MDENGbPxR...: unknown key; accepted: " },
	{ "an unknown key with none near", H "xyzzy: 1\n",
		":5:1: xyzzy: unknown key; accepted: " },
	{ "a meaning that nobody measures",
		H "  - {name: x, match: {path: /a}, cache: {exact: {ttl: 1h}, semantic: {}}}\n",
		":5:60: semantic: embeddings is missing" },
	{ "a meaning without a Redis",
		H "  - {name: x, match: {path: /a}, cache: {exact: {ttl: 1h}, semantic: "
		  "{embeddings: o/m}}}\n",
		":5:60: semantic: needs a Redis with vector sets (VADD: Redis 8 and later): "
		"add cache.redis to" },
	{ "a cache without a time", H "  - {name: x, match: {path: /a}, cache: {exact: {}}}\n",
		":5:42: exact: ttl is missing: state how long responses are kept, such as 1h" },
	{ "a cache that says nothing", H "  - {name: x, match: {path: /a}, cache: {}}\n",
		":5:34: cache: exact is missing: add exact: {ttl: DURATION}" },
	{ "a cache of what is too warm",
		H
		"  - {name: x, match: {path: /a}, cache: {exact: {ttl: 1h, temperature: 3}}}\n",
		":5:72: temperature: a number from 0 to 2, or true, is expected, found 3" },
	{ "a header field of the cache that can be none",
		H "  - {name: x, match: {path: /a}, cache: {exact: {ttl: 1h, ignore_headers: "
		  "[x-a, \"*\"]}}}\n",
		":5:81: ignore_headers: the name of a header field, or the beginning of names "
		"followed by *," },
	{ "data that is a list", H "data: []\n",
		":5:7: data: a mapping is expected, found a list\n" },
	{ "a duplicate key", H "name: u\n", ":5:1: name: given twice (first in line 2)" },
	{ "a mode that is none", H "mode: shadwo\n",
		":5:7: mode: one of enforce, shadow is expected, found shadwo" },
	{ "a default that is none", H "default: allow\n",
		":5:10: default: one of deny, permit is expected, found allow" },
	{ "an output default of zero", H "output_default: 0\n",
		":5:17: output_default: a whole number from 1 to 10000000" },
	{ "output defaults of no model", H "output_default: {}\n",
		":5:17: output_default: the mapping is empty" },
	{ "an output default of a model that is none", H "output_default: {gpt*: no}\n",
		":5:24: gpt*: a whole number from 1 to 10000000" },
	{ "an output default that is a list", H "output_default: [1]\n",
		":5:17: output_default: a whole number from 1 to 10000000, or a mapping of "
		"models to such" },
	{ "output defaults of which neither is the more specific",
		H "output_default: {\"gpt*\": 1, \"*mini\": 2}\n",
		":5:29: output_default: *mini and gpt* may match the same model, and neither "
		"is more specific:" },
	{ "a way to reserve that is none",
		"tollgate: 1\nname: t\nroutes: [{name: a, match: {path: "
		"/}, reserve: none}]\n",
		":3:47: reserve: one of cap, learned, estimate is expected, found none" },
	/* on_failure */
	{ "an outcome that is none", H "on_failure: {quota: allow}\n",
		":5:21: quota: one of deny, permit is expected, found allow" },
	{ "redact for what cannot redact", H "on_failure: {audit: redact}\n",
		":5:21: audit: one of deny, permit is expected" },
	{ "a local share of more than all", H "on_failure: {quota: {local: 110%}}\n",
		":5:29: local: a share such as 10%, from 0.01% to 100%, is expected, found "
		"110%" },
	{ "an outcome for a class that is none", H "on_failure: {classifier: {pi: deny}}\n",
		":5:27: classifier: a class or default is expected, found pi, did you mean "
		"pii?" },
	{ "an outcome of a class that is none", H "on_failure: {classifier: {pii: dney}}\n",
		":5:32: pii: one of deny, permit, redact is expected, found dney, did you mean "
		"deny?" },
	{ "outcomes of no class", H "on_failure: {classifier: {}}\n",
		":5:26: classifier: the mapping is empty" },
	{ "a list of classes", H "on_failure: {classifier: [pii]}\n",
		":5:26: classifier: one of deny, permit, redact is expected, found a list" },
	{ "a class twice", H "on_failure: {classifier: {pii: deny, pii: permit}}\n",
		":5:38: pii: given twice" },
	{ "an unknown part", H "on_failure: {redis: deny}\n",
		":5:14: redis: unknown key; accepted: classifier, quota, audit, unreadable, "
		"signed" },
	/* identity */
	{ "identity as a mapping", H "identity: {jwt: 1}\n",
		":5:11: identity: a list is expected, found a mapping" },
	{ "an unknown method", H "identity:\n  - jwtt: {}\n",
		":6:5: jwtt: unknown key, did you mean jwt?" },
	{ "a prefix that is none", H "identity:\n  - signed_headers: {prefix: xy, keys: k}\n",
		":6:30: prefix: the beginning of header names, ending with '-', is expected, "
		"found xy" },
	{ "signed headers without keys", H "identity:\n  - signed_headers: {prefix: x-id-}\n",
		":6:5: signed_headers: keys is missing" },
	{ "a prefix of our own headers",
		H "identity:\n  - signed_headers: {prefix: x-tollgate-, keys: k}\n",
		":6:30: prefix: x-tollgate- cannot carry a credential" },
	{ "a field that no certificate has",
		H "identity:\n  - client_certificate: {person: subject.name}\n",
		":6:34: person: a field of the certificate is expected (subject. or issuer. "
		"with CN" },
	{ "a trust domain that is a URI",
		H "identity:\n  - client_certificate: {trust_domain: 'spiffe://a/b'}\n",
		":6:40: trust_domain: a domain such as acme.org, without scheme and path, is "
		"expected, found" },
	{ "a subject that a key has not",
		H "identity:\n  - api_key: {keys: k, subject: team}\n",
		":6:33: subject: one of person, owner is expected, found team" },
	{ "two entries of client certificates",
		H
		"identity:\n  - client_certificate: {person: spiffe}\n  - client_certificate: "
		"{person: subject.CN}\n",
		":7:5: client_certificate: the list already has such an entry, which always "
		"decides: remove" },
	{ "a realm with a slash",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, realm: a/b}\n",
		":6:51: realm: 1 to 64 letters, digits, '.', '-' and '_', beginning with a "
		"letter or digit," },
	{ "a realm that begins like an option",
		H "identity:\n  - client_certificate: {realm: -x}\n",
		":6:33: realm: 1 to 64 letters" },
	{ "an empty realm", H "identity:\n  - signed_headers: {keys: k, realm: ''}\n",
		":6:38: realm: " },
	{ "a realm of letters beyond ASCII",
		H "identity:\n  - client_certificate: {realm: zo\u00eb}\n", ":6:33: realm: " },
	{ "a realm of 65 letters",
		H "identity:\n  - client_certificate: {realm: "
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n",
		":6:33: realm: " },
	{ "a realm of keys", H "identity:\n  - api_key: {keys: k, realm: acme}\n",
		":6:24: realm: unknown key" },
	{ "two methods in an entry", H "identity:\n  - {none: {}, api_key: {keys: k}}\n",
		":6:5: identity: one of jwt, signed_headers, client_certificate, api_key, "
		"none" },
	{ "a token without issuer", H "identity:\n  - jwt: {audience: a, jwks: j}\n",
		":6:5: jwt: issuer is missing" },
	{ "a token without audience", H "identity:\n  - jwt: {issuer: a, jwks: j}\n",
		":6:5: jwt: audience is missing" },
	{ "a token without keys", H "identity:\n  - jwt: {issuer: a, audience: j}\n",
		":6:5: jwt: jwks is missing" },
	{ "a key set at a URL",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: 'https://a b/'}\n",
		":6:41: jwks: " },
	{ "a key set without TLS",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: 'http://x/k'}\n",
		":6:41: jwks: an https URL is expected, because this server decides which "
		"tokens are accepted" },
	{ "a refresh of a file",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, refresh: 5m}\n",
		":6:44: refresh: is only for a jwks that is a URL" },
	{ "an algorithm that is not allowed",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, algorithms: [ES256, "
		  "none]}\n",
		":6:64: algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, "
		"ES512, EdDSA, or" },
	{ "a symmetric algorithm",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, algorithms: HS256}\n",
		":6:56: algorithms: HS256 needs secret, not jwks" },
	{ "an asymmetric algorithm with a secret",
		H "identity:\n  - jwt: {issuer: a, audience: j, secret: '${S}', algorithms: "
		  "ES256}\n",
		":6:63: algorithms: ES256 needs jwks, not secret" },
	{ "a secret that stands in the policy",
		H "identity:\n  - jwt: {issuer: a, audience: j, secret: hunter2hunter2}\n",
		":6:43: secret: file:PATH or an environment variable ${NAME} is expected, "
		"because this file must not" },
	{ "a secret and a key set",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, secret: 'file:s'}\n",
		":6:44: secret: the issuer already has jwks: remove one of the two" },
	{ "an age in parts of seconds",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, max_age: 1500ms}\n",
		":6:53: max_age: whole seconds are expected, found 1500ms" },
	{ "too much leeway",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, leeway: 1h}\n",
		":6:52: leeway: a duration" },
	{ "a claim nobody maps to",
		H
		"identity:\n  - jwt: {issuer: a, audience: j, jwks: k, claims: {persn: sub}}\n",
		":6:53: persn: unknown key, did you mean person?" },
	{ "a claim path with a hole",
		H "identity:\n  - jwt: {issuer: a, audience: j, jwks: k, claims: {agent: "
		  "act..sub}}\n",
		":6:60: agent: a claim, or a path of claims such as act.sub, is expected, "
		"found act..sub" },
	{ "a demo issuer where there is none", H "identity:\n  - jwt: {demo_issuer: true}\n",
		":6:24: demo_issuer: tollgate.yaml has no demo_issuer" },
	{ "a header that is no name", H "identity:\n  - api_key: {header: 'x y', keys: k}\n",
		":6:23: header: the name of a header is expected" },
	{ "a header that frames the request",
		H "identity:\n  - api_key: {header: Content-Length, keys: k}\n",
		":6:23: header: content-length cannot carry a credential" },
	{ "a header of our own", H "identity:\n  - api_key: {header: x-tollgate-id, keys: k}\n",
		":6:23: header: x-tollgate-id cannot" },
	{ "a parameter that goes on to the provider",
		H "identity:\n  - jwt: {query: q, issuer: a, audience: j, jwks: k}\n",
		":6:18: query: a parameter that carries credentials (key, token, access_token, "
		"api_key, jwt or" },
	{ "a parameter that is no name",
		H "identity:\n  - jwt: {query: 'a=1&key', issuer: a, audience: j, jwks: k}\n",
		":6:18: query: a parameter that carries credentials (key, token, access_token, "
		"api_key, jwt or" },
	{ "a header and a parameter",
		H
		"identity:\n  - jwt: {header: x-key, query: key, issuer: a, audience: j, jwks: "
		"k}\n",
		":6:26: query: the entry already has header: write a second entry for the "
		"parameter" },
	{ "a parameter for API keys", H "identity:\n  - api_key: {query: key, keys: k}\n",
		":6:15: query: unknown key" },
	{ "API keys without a file", H "identity:\n  - api_key: {header: x-api-key}\n",
		":6:5: api_key: keys is missing" },
	{ "none before another", H "identity:\n  - none: {}\n  - api_key: {keys: k}\n",
		":6:5: none: must be the last entry" },
	/* classes and detectors */
	{ "an entity that does not exist", H "classes: {pii: [EMAIL_ADRESS]}\n",
		":5:17: EMAIL_ADRESS: no such entity, did you mean EMAIL_ADDRESS?" },
	{ "a class that is a word", H "classes: {pii: nothing_at_all}\n",
		":5:16: nothing_at_all: no such entity" },
	{ "a class by a score that is none", H "classes: {injection: {score: 1.5}}\n",
		":5:30: score: a number above 0.0, at most 1.0, is expected, found 1.5\n" },
	{ "an injection model that is not there", H "detectors: {injection: {model: no.bin}}\n",
		":5:32: model: " },
	{ "a file that is no injection model", H "detectors: {injection: {model: /dev/null}}\n",
		":5:32: model: /dev/null: the file is not a model of this version, or is "
		"damaged\n" },
	{ "an injection pattern that is none",
		H "detectors: {injection: {patterns: {ignore-previos: false}}}\n",
		":5:36: ignore-previos: the injection model has no such pattern, did you mean "
		"ignore-previous?" },
	{ "a class that is some mapping", H "classes: {pii: {a: 1}}\n",
		":5:17: a: unknown key; accepted: entity, entities, classes, without, roles, "
		"words, patterns" },
	{ "a class of nothing", H "classes: {x: {}}\n",
		":5:14: x: one of entities, classes, without, words, patterns, dictionary, "
		"fingerprints is expected" },
	{ "a class that nothing is in but roles", H "classes: {x: {roles: [user]}}\n",
		":5:14: x: one of entities, classes, without, words, patterns, dictionary, "
		"fingerprints is expected" },
	{ "a role that there is not", H "classes: {x: {classes: [secret], roles: [usr]}}\n",
		":5:42: roles: no such role: usr, did you mean user?" },
	{ "a class of a class that there is not", H "classes: {x: {classes: [secrt]}}\n",
		":5:25: secrt: no such class, did you mean secret?" },
	{ "a class of a class that is one of others",
		H "classes: {x: {classes: [y]}, y: {classes: [secret]}}\n",
		":5:25: y: a class with classes or roles cannot be a member of another class" },
	{ "a class that is of itself", H "classes: {x: {classes: [x]}}\n",
		":5:25: x: a class with classes or roles cannot be a member of another class" },
	{ "a score of those who have none", H "classes: {x: {score: 0.9, roles: [system]}}\n",
		":5:35: roles: segments of role system have no injection score" },
	{ "two scores of one request",
		H "classes: {x: {score: 0.9, roles: [user]}, y: {score: 0.5}}\n",
		":5:43: y: its roles differ from those of x: a request has one score" },
	{ "a redaction in some texts",
		H "classes: {x: {classes: [pii], roles: [user]}}\n"
		  "rules: [{name: a, redact: {classes: [x]}}]\n",
		":6:38: classes: x has roles, but values are replaced in segments of all "
		"roles: name the" },
	{ "a class without what is not in it",
		H "classes: {pii: {without: [AWS_ACCESS_KEY]}}\n",
		":5:27: without: AWS_ACCESS_KEY is not in class pii" },
	{ "a class without an unknown entity", H "classes: {pii: {without: [PERSN]}}\n",
		":5:27: PERSN: no such entity, did you mean PERSON?" },
	{ "a class without a mapping", H "classes: {pii: {without: {a: b}}}\n",
		":5:26: without: a list is expected, found a mapping" },
	{ "context without anything to find",
		H "classes: {x: {entities: [US_SSN], context: [a]}}\n",
		":5:35: context: needs words, patterns, dictionary or fingerprints, and the "
		"class has none" },
	{ "words in a mapping", H "classes: {x: {words: {a: b}}}\n",
		":5:22: words: a list is expected, found a mapping" },
	{ "no words", H "classes: {x: {words: []}}\n", ":5:22: words: the list is empty" },
	{ "a word that is a list", H "classes: {x: {words: [[a]]}}\n",
		":5:23: words: a string is expected, found a list" },
	{ "a word twice", H "classes: {x: {words: [falcon, falcon]}}\n",
		":5:31: words: falcon is listed twice" },
	{ "a word of one letter", H "classes: {x: {words: [falcon, y]}}\n",
		":5:31: words: y: a term needs at least two characters" },
	{ "a word of dashes", H "classes: {x: {words: ['--']}}\n",
		":5:23: words: --: a term needs a letter or digit" },
	{ "a pattern that does not compile", H "classes: {x: {patterns: ['ab(c']}}\n",
		":5:31: patterns[0]: missing closing parenthesis" },
	{ "a pattern that explodes", H "classes: {x: {patterns: [abc, '(a+)+$']}}\n",
		":5:32: patterns[1]: can be tried in over 1000000000 ways at one position, but "
		"at "
		"most 1000 are accepted" },
	{ "a pattern with a reference", H "classes: {x: {patterns: ['(ab)\\1']}}\n",
		":5:31: patterns[0]: references to earlier matches are not supported" },
	{ "a pattern that is too wide", H "classes: {x: {patterns: ['abc[a-z]{5000}']}}\n",
		":5:27: patterns[0]: a match may have 5003 bytes, but at most 4096" },
	{ "a pattern of any character", H "classes: {x: {patterns: ['.']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern of any word character", H "classes: {x: {patterns: ['\\w']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern of letters, or others", H "classes: {x: {patterns: ['x|([a-z])']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern of any word", H "classes: {x: {patterns: ['\\w+']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern of each word's beginning", H "classes: {x: {patterns: ['\\b\\w']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern of any line", H "classes: {x: {patterns: ['.{20,200}']}}\n",
		":5:27: patterns[0]: matches most of an ordinary text: add "
		"text that is around or in the value, as in \\bFLCN-\\w{2,20}" },
	{ "a pattern that matches nothing", H "classes: {x: {patterns: ['a*']}}\n",
		":5:27: patterns[0]: the pattern matches the empty text" },
	{ "a dictionary that is not there", H "classes: {x: {dictionary: /nonexistent/t}}\n",
		":5:27: dictionary: /nonexistent/t: No such file or directory" },
	{ "a dictionary that is a list", H "classes: {x: {dictionary: [a]}}\n",
		":5:27: dictionary: " },
	{ "fingerprints that are not there", H "classes: {x: {fingerprints: /nonexistent/t}}\n",
		":5:29: fingerprints: /nonexistent/t: No such file or directory" },
	{ "shingles of no list", H "classes: {x: {words: [ab], shingles: 3}}\n",
		":5:28: shingles: is for fingerprints, and the class has none: remove it" },
	{ "too many shingles", H "classes: {x: {words: [ab], shingles: 65}}\n",
		":5:38: shingles: a whole number from 1 to 64" },
	{ "a threshold of a class over one", H "classes: {x: {words: [ab], threshold: 2}}\n",
		":5:39: threshold: a score from 0.0 to 1.0 is expected, found 2" },
	{ "case that is no truth", H "classes: {x: {words: [ab], case: upper}}\n",
		":5:34: case: " },
	{ "a class named as an entity", H "classes: {us_ssn: {words: [ab]}}\n",
		":5:11: us_ssn: US_SSN is already an entity: name the class's own entity with "
		"`entity:`" },
	{ "a class whose name makes no entity", H "classes: {1x: {words: [ab]}}\n",
		":5:11: 1x: at most 63 upper case letters, digits and _ are expected as the "
		"name of its" },
	{ "an entity in small letters", H "classes: {x: {words: [ab], entity: falcon}}\n",
		":5:36: entity: at most 63 upper case letters, digits and _ are expected as "
		"the name of its" },
	{ "two classes that make one entity",
		H "classes: {a.b: {words: [ab]}, a-b: {words: [cd]}}\n",
		":5:31: a-b: A_B is already an entity" },
	{ "an unknown entity beside own words",
		H "classes: {x: {words: [ab], entities: [EMAIL_ADRESS]}}\n",
		":5:39: EMAIL_ADRESS: no such entity, did you mean EMAIL_ADDRESS?" },
	{ "an entity twice", H "classes: {pii: [US_SSN, US_SSN]}\n",
		":5:25: pii: US_SSN is listed twice" },
	{ "a threshold over one", H "detectors: {thresholds: {US_SSN: 1.5}}\n",
		":5:34: US_SSN: a score from 0.0 to 1.0 is expected, found 1.5" },
	{ "a threshold in words", H "detectors: {thresholds: {US_SSN: high}}\n",
		":5:34: US_SSN: a score" },
	{ "a threshold that is no number at all", H "detectors: {thresholds: {US_SSN: .nan}}\n",
		":5:34: US_SSN: a score" },
	{ "a threshold of no entity", H "detectors: {thresholds: {US_SNN: 0.5}}\n",
		":5:26: US_SNN: no such entity, did you mean US_SSN?" },
	{ "samples of no kind", H "detectors: {samples: skip}\n",
		":5:22: samples: one of find, ignore" },
	/* providers and routes */
	{ "no routes", "tollgate: 1\nname: t\n",
		":1:1: routes is missing, so every request would be refused: add a route" },
	{ "an empty list of routes", "tollgate: 1\nname: t\nroutes: []\n",
		":3:9: routes: the list is empty" },
	{ "a provider without backend", H "providers: {p: {dialect: openai}}\n",
		":5:13: p: backend is missing" },
	{ "a backend HAProxy does not have", H "providers: {p: {backend: opnai}}\n",
		":5:26: backend: opnai is not one of the backends in tollgate.yaml, did you "
		"mean openai?" },
	{ "a dialect that is none", H "providers: {p: {backend: openai, dialect: grpc}}\n",
		":5:43: dialect: one of " },
	{ "external in words", H "providers: {p: {backend: openai, external: yes}}\n",
		":5:44: external: true or false is expected, found yes" },
	{ "a way there is not", H "providers: {p: {backend: openai, via: relayed}}\n",
		":5:39: via: one of direct, relay is expected, found relayed" },
	{ "a route without name", H "  - match: {path: /x}\n", ":5:5: name is missing" },
	{ "a route's name twice", H "  - {name: chat, match: {path: /x}}\n",
		":5:12: name: chat is already used, at t.yaml:4:5" },
	{ "a route without match", H "  - {name: x}\n", ":5:5: match is missing" },
	{ "a match without path", H "  - {name: x, match: {methods: [GET]}}\n",
		":5:15: match: path, path_prefix or api is missing" },
	{ "an api that is none", H "  - {name: x, match: {api: grpc}}\n",
		":5:28: api: one of openai, " },
	{ "an api without paths", H "  - {name: x, match: {api: rest}}\n",
		":5:28: api: dialect rest has no fixed paths: use path or path_prefix" },
	{ "an api of MCP", H "  - {name: x, match: {api: mcp}}\n",
		":5:28: api: dialect mcp has no fixed paths: use path or path_prefix" },
	{ "a route that reads less of an MCP server",
		H "  - {name: x, match: {path: /x}, dialect: rest, targets: p}\n"
		  "providers: {p: {backend: openai, dialect: mcp}}\n",
		":5:58: targets: p has dialect: mcp, and the route has rest: its calls would "
		"not be evaluated" },
	{ "two MCP servers behind one route",
		H "  - {name: x, match: {path: /x}, targets: [p, q]}\n"
		  "providers: {p: {backend: openai, dialect: mcp}, q: {backend: openai, "
		  "dialect: mcp}}\n",
		":5:43: targets: a session belongs to one MCP server: leave one target, or "
		"add mcp" },
	{ "a joined server whose name has the separator",
		H "  - {name: x, match: {path: /x}, targets: [p, a__b], mcp: {}}\n"
		  "providers: {p: {backend: openai, dialect: mcp}, a__b: {backend: openai, "
		  "dialect: mcp}}\n",
		":5:47: targets: the tools of a__b would be named a__b__TOOL, and" },
	{ "a joined server whose name ends like it",
		H "  - {name: x, match: {path: /x}, targets: p_, mcp: {}}\n"
		  "providers: {p_: {backend: openai, dialect: mcp}}\n",
		":5:43: targets: the tools of p_ would be named p___TOOL, and" },
	{ "servers of another dialect",
		H "  - {name: x, match: {path: /x}, targets: p, mcp: {names: prefixed}}\n"
		  "providers: {p: {backend: openai, dialect: openai}}\n",
		":5:46: mcp: the route has no targets with dialect: mcp: remove mcp" },
	{ "a call of MCP that is made again",
		H "  - {name: x, match: {path: /x}, targets: p, retry: {attempts: 2}}\n"
		  "providers: {p: {backend: openai, dialect: mcp}}\n",
		":5:64: attempts: a failed call may have been executed: a route with dialect: "
		"mcp has one" },
	{ "an api that the target does not speak",
		H "  - {name: x, match: {api: gemini}, targets: p}\n"
		  "providers: {p: {backend: openai, dialect: cohere}}\n",
		":5:46: targets: p has dialect cohere, and no request of the route's dialect "
		"gemini can be" },
	{ "a path without slash", H "  - {name: x, match: {path: v1}}\n",
		":5:29: path: v1 must begin with /" },
	{ "a path with a dot segment", H "  - {name: x, match: {path: /a/../b}}\n",
		":5:29: path: /a/../b contains a dot segment" },
	{ "a path with //", H "  - {name: x, match: {path: //b}}\n",
		":5:29: path: //b contains //" },
	{ "a path with a query", H "  - {name: x, match: {path: '/b?c=1'}}\n",
		":5:29: path: /b?c=1 must be a path without query and fragment" },
	{ "a path that spells a letter", H "  - {name: x, match: {path: /%61}}\n",
		":5:29: path: /%61 contains a character as %XX that must be written as "
		"itself" },
	{ "a path that spells a slash", H "  - {name: x, match: {path: /a%2Fb}}\n",
		":5:29: path: /a%2Fb contains a separator or control character as %XX" },
	{ "a broken escape", H "  - {name: x, match: {path: /a%2}}\n",
		":5:29: path: /a%2 contains a broken percent escape" },
	{ "a prefix that is no path", H "  - {name: x, match: {path_prefix: [/a, b]}}\n",
		":5:41: path_prefix: b must begin with /" },
	{ "a method in small letters", H "  - {name: x, match: {methods: [post], path: /a}}\n",
		":5:33: methods: a method in capital letters" },
	{ "a method that is always refused",
		H "  - {name: x, match: {methods: [CONNECT], path: /a}}\n",
		":5:33: methods: the gateway always refuses CONNECT" },
	{ "a host with a port", H "  - {name: x, match: {host: 'a:80', path: /a}}\n",
		":5:29: host: a host name without port" },
	{ "a star inside a host", H "  - {name: x, match: {host: 'a.*.b', path: /a}}\n",
		":5:29: host: " },
	{ "a route's backend that is unknown",
		H "  - {name: x, match: {path: /a}, backend: nowhere}\n",
		":5:43: backend: nowhere is not one of the backends in tollgate.yaml" },
	{ "a target that is no provider",
		H "  - {name: x, match: {path: /a}, targets: [opena]}\nproviders: {openai: "
		  "{backend: openai}}\n",
		":5:44: targets: the policy has no provider opena, did you mean openai?" },
	{ "two targets",
		H "  - {name: x, match: {path: /a}, targets: [p, p]}\nproviders: {p: {backend: "
		  "openai}}\n",
		":5:47: targets: p is listed twice" },
	{ "a target with a model twice",
		H "  - {name: x, match: {path: /a}, targets: [p, {provider: p, model: a}, "
		  "{provider: p, model: a}]}\nproviders: {p: {backend: openai}}\n",
		":5:72: targets: p is listed twice" },
	{ "a target with a model where there is none",
		H "  - {name: x, match: {path: /a}, targets: [{provider: p, model: "
		  "m}]}\nproviders: {p: {backend: openai, dialect: rest}}\n",
		":5:65: model: a body in dialect rest contains no model: remove it" },
	{ "a target with a model of two words",
		H "  - {name: x, match: {path: /a}, targets: [{provider: p, model: m "
		  "n}]}\nproviders: {p: {backend: openai}}\n",
		":5:65: model: the name of a model, at most 128 printable bytes" },
	{ "a target without provider",
		H "  - {name: x, match: {path: /a}, targets: [{model: m}]}\n",
		":5:44: targets: provider is missing\n" },
	{ "no target", H "  - {name: x, match: {path: /a}, targets: []}\n",
		":5:43: targets: the list is empty\n" },
	{ "seventeen targets",
		H "  - {name: x, match: {path: /a}, targets: [a, b, c, d, e, f, g, h, i, j, k, "
		  "l, m, n, o, p, q]}\n",
		":5:43: targets: more than 16\n" },
	{ "a target of another dialect than the first",
		H "  - {name: x, match: {path: /a}, targets: [p, q]}\nproviders: {p: {backend: "
		  "openai, dialect: openai}, q: {backend: anthropic, dialect: ollama}}\n",
		":5:47: targets: q has dialect ollama, and no request of the route's dialect "
		"openai can be" },
	{ "a form that is none",
		H "  - {name: x, match: {path: /a}, targets: p}\nproviders: {p: {backend: "
		  "openai, "
		  "dialect: openai, speaks: [chat, mesages]}}\n",
		":6:66: speaks: chat, responses, messages, generate, converse or embeddings is "
		"expected, found" },
	{ "translation of a route that needs none",
		H "  - {name: x, match: {path: /a}, targets: p, translate: {drop: top_k}}\n"
		  "providers: {p: {backend: openai, dialect: openai}}\n",
		":5:46: translate: every target accepts the form of the route's callers, so "
		"nothing is" },
	{ "translation without what may go",
		H "  - {name: x, match: {path: /a}, targets: p, translate: {}}\n"
		  "providers: {p: {backend: openai, dialect: openai, speaks: messages}}\n",
		":5:46: translate: drop is missing" },
	{ "a backend beside a target",
		H "  - {name: x, match: {path: /a}, targets: p, backend: openai}\nproviders: "
		  "{p: {backend: openai}}\n",
		":5:46: backend: the target's provider already names the backend: remove one "
		"of the two" },
	{ "a route in another dialect than its target",
		H "  - {name: x, match: {path: /a}, targets: p, dialect: "
		  "anthropic}\nproviders: {p: {backend: openai, dialect: cohere}}\n",
		":5:55: dialect: the target's dialect is cohere, and no request of this "
		"dialect can be" },
	{ "a response of a later version",
		H "  - {name: x, match: {path: /a}, response: [meter, cache]}\n",
		":5:52: cache: not supported by this version" },
	{ "tools of a route that puts nothing back",
		H "  - {name: x, match: {path: /a}, response: [meter], restore: {tools: "
		  "[Write]}}\n",
		":5:53: restore: the route restores no values in its responses: add response: "
		"[restore]" },
	{ "tools that are no list", H "  - {name: x, match: {path: /a}}\ntools: {Write: stay}\n",
		":6:8: tools: a list is expected, found a mapping" },
	{ "a tool without its arguments",
		H "  - {name: x, match: {path: /a}}\ntools:\n  - {names: [Write]}\n",
		":7:5: tools: arguments is missing: stay, command, leave or call is expected" },
	{ "arguments without a tool",
		H "  - {name: x, match: {path: /a}}\ntools:\n  - {arguments: stay}\n",
		":7:5: tools: names is missing: list the names of tools" },
	{ "arguments of a tool that are neither",
		H "  - {name: x, match: {path: /a}}\ntools:\n  - {names: A, arguments: keep}\n",
		":7:27: arguments: one of stay, command, leave, call is expected, found keep" },
	{ "a tool in two rows",
		H "  - {name: x, match: {path: /a}}\ntools:\n  - {names: [A, B], arguments: "
		  "stay}\n  - {names: [B], arguments: leave}\n",
		":8:14: names: B is already listed in line 7" },
	{ "a name of a tool with a blank",
		H "  - {name: x, match: {path: /a}}\ntools:\n  - {names: [a b], arguments: stay}\n",
		":7:14: names: a tool's name as models write it, or a pattern such as" },
	{ "restore with placeholders that are plain",
		"placeholder: {form: plain}\n" H
		"  - {name: x, match: {path: /a}, response: [restore]}\n",
		":6:34: response: restore needs placeholders in brackets, and placeholder: "
		"{form: plain} is set" },
	{ "restore without tools",
		H "  - {name: x, match: {path: /a}, response: [restore], restore: {}}\n",
		":5:55: restore: tools is missing: list the tools that only store their "
		"arguments" },
	{ "a tool twice",
		H "  - {name: x, match: {path: /a}, response: [restore], restore: {tools: [A, "
		  "A]}}\n",
		":5:76: tools: A is listed twice" },
	{ "a response that is none", H "  - {name: x, match: {path: /a}, response: [metre]}\n",
		":5:45: response: ignore, or a list of meter, inspect, "
		"restore, restore_urls, record" },
	{ "texts that nobody could open",
		H "  - {name: x, match: {path: /a}, record: {tools: full}}\n",
		":5:50: tools: full: the text is sealed to auditors, because records contain "
		"no text in plain," },
	{ "an answer that is recorded and not read",
		H "  - {name: x, match: {path: /a}, response: ignore, record: {response: "
		  "hash}}\n",
		":5:44: response: ignore: the route records responses or tools, which must be "
		"read: remove" },
	{ "a deadline without unit", H "  - {name: x, match: {path: /a}, deadline: 30}\n",
		":5:44: deadline: a duration with its unit" },
	/* rules */
	{ "rules as a mapping", H "rules: {}\n",
		":5:8: rules: a list is expected, found a mapping" },
	{ "a rule without name", H "rules:\n  - permit: true\n", ":6:5: name is missing" },
	{ "a rule's name twice",
		H "rules:\n  - {name: a, permit: true}\n  - {name: a, permit: true}\n",
		":7:12: name: a is already used, at t.yaml:6:5" },
	{ "a rule without effect", H "rules:\n  - name: a\n    when: 'true'\n",
		":6:5: the rule has no effect" },
	{ "a rule with two effects", H "rules:\n  - {name: a, deny: true, permit: true}\n",
		":6:27: permit: the rule already denies the request: remove one of the two" },
	{ "a denial that redacts",
		H "rules:\n  - {name: a, deny: true, redact: {classes: pii}}\n",
		":6:27: redact: the rule already denies the request: remove one of the two" },
	{ "a denial that routes", H "rules:\n  - {name: a, deny: true, route: {model: m}}\n",
		":6:27: route: the rule already denies the request: remove one of the two" },
	{ "a denial that sets headers",
		H "rules:\n  - {name: a, set_headers: {x-a: b}, deny: true}\n",
		":6:15: set_headers: the rule already denies the request: remove one of the "
		"two" },
	{ "a denial that caps", H "rules:\n  - {name: a, deny: true, max_output_tokens: 1}\n",
		":6:27: max_output_tokens: the rule already denies the request: remove one of "
		"the two" },
	{ "a route to nowhere", H "rules:\n  - {name: a, route: {}}\n",
		":6:15: route: targets or model is missing\n" },
	{ "a route to no target",
		H "  - {name: x, match: {path: /a}, targets: [local]}\nproviders: {local: "
		  "{backend: local}, q: {backend: openai}}\nrules:\n  - {name: a, route: "
		  "{targets: [locl]}}\n",
		":8:33: targets: no route has target locl, did you mean local?" },
	{ "a route to a provider that is no target",
		H "  - {name: x, match: {path: /a}, targets: [local]}\nproviders: {local: "
		  "{backend: local}, q: {backend: openai}}\nrules:\n  - {name: a, route: "
		  "{targets: q}}\n",
		":8:32: targets: no route has target q" },
	{ "a route to a target twice",
		H "  - {name: x, match: {path: /a}, targets: [p]}\nproviders: {p: {backend: "
		  "local}}\nrules:\n  - {name: a, route: {targets: [p, p]}}\n",
		":8:36: targets: p is listed twice" },
	{ "a model that is a list", H "rules:\n  - {name: a, route: {model: [m]}}\n",
		":6:30: model: a string is expected, found a list\n" },
	{ "a model beside the route", H "rules:\n  - {name: a, model: m, permit: true}\n",
		":6:15: model: unknown key" },
	{ "a cap of zero", H "rules:\n  - {name: a, max_output_tokens: 0}\n",
		":6:34: max_output_tokens: a whole number from 1 to 10000000" },
	{ "a cap in words", H "rules:\n  - {name: a, max_output_tokens: few}\n",
		":6:34: max_output_tokens: a whole number" },
	{ "a tag with a blank", H "rules:\n  - {name: a, tag: [ok, 'a b']}\n",
		":6:25: a name of 1 to 64 letters, digits and . _ - : / is expected, found a "
		"b" },
	{ "no tag", H "rules:\n  - {name: a, tag: []}\n", ":6:20: tag: the list is empty\n" },
	{ "a recognizer that is none",
		H "detectors: {external: [{name: ner, url: 'http://127.0.0.1/', entities: "
		  "[PERSON]}]}\nrules:\n  - {name: a, require: [nerr]}\n",
		":7:25: require: nerr is not a recognizer of detectors.external, did you mean "
		"ner?" },
	{ "headers in a list", H "rules:\n  - {name: a, set_headers: [x]}\n",
		":6:28: set_headers: a mapping of names to values is expected, found a "
		"list\n" },
	{ "no headers", H "rules:\n  - {name: a, set_headers: {}}\n",
		":6:28: set_headers: a mapping of names to values is expected, found an empty "
		"one\n" },
	{ "a header that frames", H "rules:\n  - {name: a, set_headers: {Content-Length: 1}}\n",
		":6:29: set_headers: Content-Length belongs to the connection or to the body" },
	{ "a header of the connection",
		H "rules:\n  - {name: a, set_headers: {upgrade: h2c}}\n",
		":6:29: set_headers: upgrade belongs to the connection or to the body" },
	{ "a header with a key in it",
		H "rules:\n  - {name: a, set_headers: {Authorization: x}}\n",
		":6:29: set_headers: Authorization carries credentials" },
	{ "a header with the policy's own credential",
		H "identity:\n  - api_key: {header: x-own, keys: k}\nrules:\n  - {name: a, "
		  "set_headers: {x-own: x}}\n",
		":8:29: set_headers: x-own carries credentials" },
	{ "a header of the gateway",
		H "rules:\n  - {name: a, set_headers: {X-Tollgate-Backend: x}}\n",
		":6:29: set_headers: X-Tollgate-Backend is a header of tollgate" },
	{ "a header that is no name", H "rules:\n  - {name: a, set_headers: {'x a': b}}\n",
		":6:29: set_headers: x a is not a header name: at most 64 letters, digits and "
		"- _ . are" },
	{ "a header twice", H "rules:\n  - {name: a, set_headers: {x-a: b, X-A: c}}\n",
		":6:37: set_headers: x-a is listed twice" },
	{ "a header of two lines",
		H "rules:\n  - {name: a, set_headers: {x-a: \"b\\r\\nc: d\"}}\n",
		":6:34: x-a: one line of printable ASCII, at most 1024 bytes" },
	{ "a header in letters of elsewhere",
		H "rules:\n  - {name: a, set_headers: {x-a: \"\u00e4\"}}\n",
		":6:34: x-a: one line of printable ASCII" },
	{ "a phase that is none", H "rules:\n  - {name: a, phase: answer, deny: true}\n",
		":6:22: phase: one of request, response, tool is expected, found answer" },
	{ "the answer in a rule on requests",
		H "rules:\n  - {name: a, when: '\"pii\" in response.classes', deny: true}\n",
		":6:21: when: response.classes is known once the response has arrived: only "
		"rules with phase:" },
	{ "an answer that permits", H "rules:\n  - {name: a, phase: response, permit: true}\n",
		":6:32: permit: a rule with phase: response may deny, redact and tag" },
	{ "an answer that is routed",
		H "rules:\n  - {name: a, phase: response, tag: t, route: {model: m}}\n",
		":6:40: route: a rule with phase: response may deny, redact and tag" },
	{ "an answer that sets headers",
		H "rules:\n  - {name: a, phase: response, tag: t, set_headers: {x-a: b}}\n",
		":6:40: set_headers: a rule with phase: response" },
	{ "an answer that caps the output",
		H "rules:\n  - {name: a, phase: response, tag: t, max_output_tokens: 5}\n",
		":6:40: max_output_tokens: a rule with phase: response" },
	{ "a rule on answers without effect", H "rules:\n  - {name: a, phase: response}\n",
		":6:5: the rule has no effect: deny, redact or tag is expected" },
	{ "a redaction by what comes after the text",
		H "rules:\n  - {name: a, phase: response, when: 'response.bytes > 9', redact: "
		  "{classes: pii}}\n",
		":6:60: redact: the rule reads response.bytes, which a stream has only at the "
		"end of a block," },
	{ "a redaction by a class that has a score",
		H "classes: {steer: {score: 0.5}, mine: [US_SSN]}\n"
		  "rules:\n  - {name: a, phase: response, when: '\"steer\" in "
		  "response.classes', redact: {classes: mine}}\n",
		":7:69: redact: the rule reads response.injection, which" },
	{ "a misspelt class of answers",
		H "rules:\n  - {name: a, phase: response, when: '\"pi\" in response.classes', "
		  "deny: true}\n",
		":6:5: rule a: no response.classes can be \"pi\", did you mean pii?" },
	{ "a misspelt field of answers",
		H "rules:\n  - {name: a, phase: response, when: 'response.clases == []', deny: "
		  "true}\n",
		":6:39: when: response.clases: no such field; did you mean response.classes?" },
	{ "a name that two phases have",
		H "rules:\n  - {name: a, deny: true}\n  - {name: a, phase: response, deny: "
		  "true}\n",
		":7:12: name: a is already used, at t.yaml:6:5" },
	{ "an answer that is ignored and ruled",
		H "  - {name: x, match: {path: /a}, response: ignore}\nrules:\n  - {name: a, "
		  "phase: response, deny: true}\n",
		":5:44: response: ignore: rule a, at t.yaml:7:5, reads the responses of this "
		"route: use" },
	{ "a status no rule may use", H "rules:\n  - {name: a, deny: {status: 402}}\n",
		":6:30: status: one of 400, 401, 403, 404, 413, 415, 429, 451, 503 is "
		"expected, found 402" },
	{ "status 501", H "rules:\n  - {name: a, deny: {status: 501}}\n",
		":6:30: status: one of" },
	{ "a quoted status", H "rules:\n  - {name: a, deny: {status: '403'}}\n",
		":6:30: status: one of" },
	{ "deny: false", H "rules:\n  - {name: a, deny: false}\n",
		":6:21: deny: true, or {status, reason}, is expected, found false" },
	{ "deny: yes", H "rules:\n  - {name: a, deny: yes}\n",
		":6:21: deny: true or false is expected, found yes" },
	{ "a key deny does not know", H "rules:\n  - {name: a, deny: {reson: x}}\n",
		":6:22: reson: unknown key, did you mean reason?" },
	{ "a reason of two lines", H "rules:\n  - {name: a, deny: {reason: \"a\\nb\"}}\n",
		":6:30: reason: one line" },
	{ "a redaction of nothing", H "rules:\n  - {name: a, redact: {}}\n",
		":6:15: redact: classes, entities or media is missing" },
	{ "a class that does not exist", H "rules:\n  - {name: a, redact: {classes: [piii]}}\n",
		":6:34: piii: no such class, did you mean pii?" },
	{ "last four digits of what has none",
		H "rules:\n  - {name: a, redact: {entities: [EMAIL_ADDRESS], with: last4}}\n",
		":6:35: EMAIL_ADDRESS: last4 is possible for CREDIT_CARD, PHONE_NUMBER, "
		"IBAN_CODE and" },
	{ "last four digits of a class without such entities",
		H "rules:\n  - {name: a, redact: {classes: secret, with: last4}}\n",
		":6:47: with: last4: no entity of this rule can keep its last four digits" },
	{ "a redaction with something else",
		H "rules:\n  - {name: a, redact: {classes: pii, with: stars}}\n",
		":6:44: with: one of placeholder, mask, hash, remove, last4 is expected" },
	{ "on_error: ignore", H "rules:\n  - {name: a, permit: true, on_error: ignore}\n",
		":6:39: on_error: one of deny, skip is expected" },
	/* conditions */
	{ "a condition that is empty", H "rules:\n  - {name: a, when: , deny: true}\n",
		":6:21: when: a condition is expected, found nothing" },
	{ "a condition that is a list", H "rules:\n  - {name: a, when: [x], deny: true}\n",
		":6:21: when: a condition is expected, found a list" },
	{ "a syntax error inside single quotes",
		H "rules:\n  - {name: a, when: 'identity.person == ', deny: true}\n",
		":6:41: when: " },
	{ "an unknown name in a plain scalar",
		H "rules:\n  - name: a\n    when: route.nam == \"x\"\n    deny: true\n",
		":7:11: when: " },
	{ "an unknown name behind doubled quotes",
		H "rules:\n  - name: a\n    when: 'route.name == ''x'' || nonsense'\n    deny: "
		  "true\n",
		":7:35: when: nonsense: " },
	{ "a mistake in a block names the block",
		H "rules:\n  - name: a\n    when: |\n      true &&\n      nonsense\n    deny: "
		  "true\n",
		":7:11: when: " },
	{ "a condition that gives a number",
		H "rules:\n  - {name: a, when: 1 + 1, deny: true}\n", ":6:2" },
	{ "a comparison of different types",
		H "rules:\n  - {name: a, when: 'identity.clearance == \"2\"', deny: true}\n",
		":6:" },
	{ "external data in a condition",
		H "rules:\n  - {name: a, when: 'has(data.people.x)', deny: true}\n",
		":6:26: when: data: the policy has no data source of that name" },
	{ "a name that only begins like one",
		H "rules:\n  - {name: a, when: 'toolbox == 1', deny: true}\n",
		":6:22: when: toolbox" },
	{ "a parameter no dialect has",
		H "rules:\n  - {name: a, when: 'request.temprature > 1.0', deny: true}\n",
		":6:2" },
};

static void
error_in_a_policy_has_its_position(void **state)
{
	(void)state;
	assert_int_equal(fix_mistakes(rows, COUNT_OF(rows)), 0);
	assert_true(sizeof(rows) / sizeof(rows[0]) >= 100);
}

static void
all_errors_of_a_policy_are_reported_together(void **state)
{
	struct policy_fix f;

	(void)state;
	fix_load(&f, &fix_config,
		"tollgate: 3\nname: 'a b'\nmode: off\nclasses: {pii: [NOPE]}\n"
		"routes:\n  - {name: x, match: {path: a}, backend: b}\n  - {match: {path: /}}\n"
		"rules:\n  - {name: r, when: 'x ==', deny: {status: 200}}\n"
		"limits: [{name: l, requests: 0, window: 1}]\ncache: 1\n");
	assert_null(f.p);
	assert_int_equal(f.d.errors, 12);
	fix_done(&f);
}

/* The shipped policy, cut anywhere: either a policy without errors, or errors without a
 * policy. */
static void
cut_policy_is_valid_or_has_errors(void **state)
{
	static char text[16384];
	FILE *in = fopen("policies/default.yaml", "r");
	size_t n = in ? fread(text, 1, sizeof(text), in) : 0, loads = 0;

	(void)state;
	assert_true(n > 1000 && n < sizeof(text));
	fclose(in);
	for (size_t cut = 0; cut <= n; cut++) {
		struct policy_fix f = { .p = NULL };
		char *copy = guard_dup(text, cut);
		arena_init(&f.a, 0, false);
		diag_init(&f.d);
		const struct yaml_node *root =
			yaml_load(&f.a, "t.yaml", span_of(copy, cut), &f.d);
		const struct policy *p = root ? policy_compile(&f.a, root, "t.yaml",
							&fix_config, detect_fix()->rules, &f.d)
					      : NULL;
		assert_int_equal(p == NULL, f.d.errors > 0);
		loads += p != NULL;
		guard_free(copy, cut);
		fix_done(&f);
	}
	assert_true(loads > 0 && loads < n / 2);
}

static void
missing_policy_file_is_refused(void **state)
{
	struct arena a;
	struct diag d;

	(void)state;
	arena_init(&a, 0, false);
	diag_init(&d);
	assert_null(policy_load(&a, "/nonexistent/p.yaml", NULL, detect_fix()->rules, &d));
	assert_int_equal(d.errors, 1);
	diag_free(&d);
	arena_reset(&a);
}

/* Without a configuration, backends are not compared, and there is no demo issuer. */
static void
without_a_configuration_backends_are_not_checked(void **state)
{
	struct policy_fix f;

	(void)state;
	assert_non_null(
		fix_load(&f, NULL, H "  - {name: x, match: {path: /a}, backend: anything}\n"));
	fix_done(&f);
	assert_null(fix_load(&f, NULL, H "identity: [{jwt: {demo_issuer: true}}]\n"));
	fix_done(&f);
}

static void
lack_of_memory_is_an_error_without_a_crash(void **state)
{
	static const char text[] =
		H "identity: [{api_key: {keys: k}}]\n"
		  "rules: [{name: a, when: '\"secret\" in prompt.classes', deny: true}]\n"
		  "limits: [{name: a, per: identity.person, requests: 1, window: 1m}]\n";
	bool loaded = false;

	(void)state;
	for (size_t cap = 64; cap < 1 << 20 && !loaded; cap += cap < 32768 ? 256 : 16384) {
		struct policy_fix f = { .p = NULL };
		arena_init(&f.a, cap, false);
		diag_init(&f.d);
		const struct yaml_node *root = yaml_load(&f.a, "t.yaml", span_str(text), &f.d);
		const struct policy *p = root ? policy_compile(&f.a, root, "t.yaml", NULL,
							detect_fix()->rules, &f.d)
					      : NULL;
		assert_int_equal(p == NULL, f.d.errors > 0);
		loaded = p != NULL;
		fix_done(&f);
	}
	assert_true(loaded);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_in_a_policy_has_its_position),
		cmocka_unit_test(all_errors_of_a_policy_are_reported_together),
		cmocka_unit_test(cut_policy_is_valid_or_has_errors),
		cmocka_unit_test(missing_policy_file_is_refused),
		cmocka_unit_test(without_a_configuration_backends_are_not_checked),
		cmocka_unit_test(lack_of_memory_is_an_error_without_a_crash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
