/* The work that ordinary texts take. Each row is a kind of text that people or programs send. The test repeats one
 * or a few lines of it with changing numbers and words, which takes the most work for this kind. No text is
 * refused, and each takes much less work than its limit allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "bench/detect_texts.h"
#include "support/detect_fix.h"

enum {
	LARGE = 256 << 10,
	SMALL = 27 << 10,
	TINY = 2 << 10,
	FEW = 300,
	PART = 20 /* a budget has 20 parts, of which 19 may be used */
};

/* In a line: %d a number, %x four hexadecimal digits, %h 32 of them, %b base64, %w a word, %n a
 * name, %p a byte of an address, %i an identifier of 22 characters. %r 64 random bytes, %l 64
 * random bytes of seven bits, %a 64 printable bytes. %u 32 random bytes read as Latin-1 and
 * written as UTF-8, %f the same with U+FFFD for bytes over 127. %0 a zero byte, %% a percent
 * sign. */
static const struct {
	const char *name, *line;
} kinds[] = {
	/* clang-format off */
	/* logs */
	{ "a log of keys on one line", "key:%x|" },
	{ "a log of keys and numbers on one line", "key:%d|" },
	{ "a log of tokens on one line", "token:%x,user:%d," },
	{ "a log of key=value", "level=info key=%x user=%w took=%dms\n" },
	{ "logfmt", "ts=2026-01-02T03:04:05Z level=warn msg=\"%w %w\" auth=%x id=%h\n" },
	{ "nginx", "%p.%p.%p.%p - - [02/Jan/2026:03:04:05 +0000] \"GET /%w/%d?key=%x HTTP/1.1\" 200 %d \"-\" \"curl/8.1\"\n" },
	{ "syslog", "Jan  2 03:04:05 host%d sshd[%d]: Accepted publickey for %w from %p.%p.%p.%p port %d\n" },
	{ "journal", "Jan 02 03:04:05 node systemd[1]: Started session-%d.scope - Session %d of User %w.\n" },
	{ "kubernetes", "I0102 03:04:05.%d %d controller.go:%d] \"Syncing\" key=\"%w/%w-%x\"\n" },
	{ "Java's stack", "\tat com.example.%w.%w.run(%w.java:%d) ~[app-1.2.%d.jar:?]\n" },
	{ "Python's stack", "  File \"/usr/lib/python3/%w.py\", line %d, in %w\n    return self.%w(key=%w)\n" },
	{ "log4j", "2026-01-02 03:04:05,%d INFO [pool-%d-thread-%d] c.e.%w - token=%w expires in %d s\n" },
	{ "HAProxy", "%p.%p.%p.%p:%d [02/Jan/2026:03:04:05.123] fe be/srv%d 0/0/1/%d/%d 200 %d - - ---- 1/1/0/0/0 0/0 \"POST /v1 HTTP/1.1\"\n" },
	{ "strace", "[pid %d] read(%d, \"\\x%x\\x%x\", %d) = %d\n" },
	{ "postgres", "2026-01-02 03:04:05 UTC [%d] LOG:  duration: %d.%d ms  statement: SELECT key FROM %w WHERE id = %d\n" },
	{ "redis", "%d:M 02 Jan 2026 03:04:05.%d * key %w:%d expired\n" },
	{ "statsd", "app.%w.%w:%d|c|#key:%w,env:prod\n" },
	{ "Prometheus", "http_requests_total{code=\"200\",key=\"%w\",le=\"0.%d\"} %d\n" },
	{ "InfluxDB", "cpu,host=%w,key=%x usage=%d.%d,idle=%di 1767322%d\n" },
	{ "CEF", "CEF:0|V|P|1|%d|%w|5|src=%p.%p.%p.%p dst=%p.%p.%p.%p spt=%d msg=%w\n" },
	/* lines of one character */
	{ "lines of =", "================================================================\n" },
	{ "lines of -", "----------------------------------------------------------------\n" },
	{ "lines of *", "****************************************************************\n" },
	{ "lines of #", "################################################################\n" },
	{ "lines of ~", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n" },
	{ "lines of _", "________________________________\n" },
	{ "lines of dots", "%w ................................ %d\n" },
	{ "blank lines", "\n" },
	{ "blanks", "                                " },
	{ "tabs", "\t\t%d\t\t%d\n" },
	{ "boxes", "+--------+--------+\n| %d | %w |\n" },
	{ "a line without end", "%w" },
	/* tables and data */
	{ "CSV", "%d,%w,%d.%d,2026-01-02,%w\n" },
	{ "CSV with quotes", "\"%d\",\"%w %w\",\"%d\",\"%x\"\n" },
	{ "CSV with semicolons", "%d;%w;%d,%d;%w\n" },
	{ "TSV", "%d\t%w\t%x\t%d\n" },
	{ "JSON", "{\"id\":%d,\"key\":\"%w\",\"value\":%d.%d,\"ok\":true},\n" },
	{ "JSON on one line", "{\"id\":%d,\"key\":\"%w\",\"tags\":[\"%w\",\"%w\"]}," },
	{ "JSON with keys", "\"key_%x\":\"%x\"," },
	{ "JSON, indented", "    {\n        \"key\": \"%w\",\n        \"token\": null,\n        \"n\": %d\n    },\n" },
	{ "JSON inside JSON", "{\\\"id\\\":%d,\\\"key\\\":\\\"%w\\\"}," },
	{ "numbers", "[%d,%d,%d,%d]," },
	{ "a vector", "0.%d%d, -0.%d%d, " },
	{ "YAML", "- name: %w\n  key: %w\n  port: %d\n" },
	{ "YAML of Kubernetes", "        - name: %w\n          valueFrom:\n            secretKeyRef: {name: %w, key: %w}\n" },
	{ "TOML", "[%w.%d]\nkey = \"%w\"\nn = %d\n" },
	{ "INI", "[%w]\nkey=%w\npassword=\nport=%d\n" },
	{ "properties", "app.%w.key=%w\napp.%w.timeout=%d\n" },
	{ "an environment", "%w_KEY=${%w}\nPORT=%d\n" },
	{ "XML", "<item id=\"%d\" key=\"%w\"><name>%w</name></item>\n" },
	{ "XML on one line", "<v k=\"%x\">%d</v>" },
	{ "HTML", "<tr><td class=\"key\">%w</td><td>%d</td></tr>\n" },
	{ "HTML of a page", "<div class=\"a b\"><a href=\"/%w/%d\">%w %w</a>&nbsp;</div>\n" },
	{ "SVG", "<path d=\"M%d.%d %d.%dL%d %dZ\" fill=\"#%x\"/>\n" },
	{ "CSS", ".%w-%d > .%w { margin: %dpx %dpx; color: #%x; }\n" },
	{ "Markdown", "## %w %d\n\n* **%w**: `%w(%d)` and _%w_\n" },
	{ "a table of Markdown", "| %d | %w | `%w` | **%d** |\n" },
	{ "LaTeX", "\\section{%w}\\label{sec:%w} $x_{%d} = %d^{%d}$ \\\\\n" },
	{ "SQL", "SELECT key, token FROM %w WHERE id = %d AND name = '%w';\n" },
	{ "INSERT", "INSERT INTO %w VALUES (%d,'%w','%x',%d.%d);\n" },
	{ "rows of one INSERT", "(%d,'%w','%w',%d)," },
	{ "EDI", "NM1*IL*1*%w*%w****MI*%d~\n" },
	{ "GeoJSON", "[%d.%d,%d.%d]," },
	{ "protobuf text", "item { id: %d key: \"%w\" value: %d }\n" },
	{ "vCard", "BEGIN:VCARD\nFN:%n\nTEL:+1 555 010 %d\nEND:VCARD\n" },
	/* encodings */
	{ "base64", "%b\n" },
	{ "base64 without lines", "%b" },
	{ "hexadecimal", "%h" },
	{ "hashes", "%h  %w/%w.c\n" },
	{ "a hexdump", "0000%x  %x %x %x %x %x %x %x %x  |................|\n" },
	{ "xxd", "0000%x: %x %x %x %x %x %x %x %x  ................\n" },
	{ "bytes of C", "0x%x, 0x%x, 0x%x,\n" },
	{ "escapes", "\\x%x\\u%x\\n" },
	{ "UUIDs", "%x%x-%x-%x-%x-%x%x%x\n" },
	{ "URLs", "https://www.example.com/%w/%d?key=%w&page=%d\n" },
	{ "URLs with escapes", "https://example.com/%w%%20%w?q=%%7B%w%%7D&k=%x\n" },
	{ "paths", "/usr/share/%w/%w-%d.%d/%w.so\n" },
	{ "Windows paths", "C:\\Program Files\\%w\\%w\\%w.dll\n" },
	{ "MAC addresses", "%x:%x %p:%p:%p\n" },
	{ "IPv6", "2001:db8:%x:%x::%x\n" },
	{ "quoted-printable", "=C3=A4 %w=20%w=\n" },
	{ "versions", "%w-%d.%d.%d-%x\n" },
	/* code */
	{ "C", "static int\n%w_%w(struct %w *s, size_t n)\n{\n\treturn s->key[%d] & 0x%x;\n}\n" },
	{ "C++", "std::vector<%w> v; for (auto& key : m[%d]) { v.push_back(key->%w()); }\n" },
	{ "Java", "    private final String key%d = get(\"%w\"); // %w\n" },
	{ "Python", "    def %w(self, key, token=None):\n        return self.cache[key] if %d else %w\n" },
	{ "JavaScript", "const key%d = obj?.%w ?? `%w-${id}`; export { %w };\n" },
	{ "minified JavaScript", "function a%d(e,t){return e.key===t?n[%d](e.%w):{key:t,v:%d}}" },
	{ "TypeScript", "export interface %w { key: string; token?: %w<%d>; }\n" },
	{ "Go", "func (s *%w) Key(k string) error { return fmt.Errorf(\"%w: %%w\", err) } // %d\n" },
	{ "Rust", "let key: &str = map.get(&%d).unwrap_or(\"%w\");\n" },
	{ "Ruby", "  key = params[:%w] || '%w' unless %d.zero?\n" },
	{ "PHP", "$key['%w'] = $this->%w->get($id, %d);\n" },
	{ "a shell", "if [ -z \"$KEY_%d\" ]; then export KEY=\"$(cat /%w/%w)\"; fi\n" },
	{ "assembly", "  %x:\t48 89 e5             \tmov    %%rsp,%%rbp\n" },
	{ "a diff", "@@ -%d,%d +%d,%d @@\n-  key = %w(%d)\n+  key = %w(%d)\n" },
	{ "a Makefile", "%w.o: %w.c %w.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n" },
	{ "Terraform", "resource \"aws_%w\" \"%w\" {\n  key = var.%w\n  n   = %d\n}\n" },
	{ "regular expressions", "^(?:%w|[a-z]{%d,%d})\\s*=\\s*(\\d+)$\n" },
	/* people */
	{ "chat", "[03:04] %n: %w %w %w, %w?\n" },
	{ "mail", "> On 2 Jan 2026, %n wrote:\n>> %w %w %w.\n" },
	{ "addresses", "%n, %d Main Street, Springfield, IL 62704\n" },
	{ "names", "%n\n" },
	{ "phone numbers", "(555) 010-%d\n" },
	{ "prices", "%w  %d x %d.%d EUR = %d.%d EUR\n" },
	{ "dates", "2026-01-02 03:04 %w\n" },
	{ "a dialogue", "User: %w %w?\nAssistant: %w %w %w.\n" },
	{ "English", "The %w that we saw near the %w was %w, and %d of them are left. " },
	{ "German", "Der Schlüssel für das %w liegt über dem %w, außer am %d. Mai. " },
	{ "French", "La clé de l'%w était près du %w, à %d mètres. " },
	{ "Spanish", "La clave del %w está cerca de %w, según %d niños. " },
	{ "Portuguese", "A chave do %w não está com %w, são %d. " },
	{ "Russian", "Ключ от дома лежит рядом, их было %d. " },
	{ "Greek", "Το κλειδί είναι εδώ, %d από αυτά. " },
	{ "Chinese", "钥匙在房子旁边，一共有%d个。" },
	{ "Japanese", "鍵は家の近くにあります。全部で%d個です。" },
	{ "Korean", "열쇠는 집 근처에 있습니다. 모두 %d개입니다. " },
	{ "Arabic", "المفتاح قرب البيت، وعددها %d. " },
	{ "Hindi", "चाबी घर के पास है, कुल %d हैं। " },
	{ "Turkish", "Anahtar evin yanında, %d tane var. " },
	{ "emoji", "😀 %w 🎉 %d 👍\n" },
	/* generated by programs */
	{ "identifiers", "%i " },
	{ "identifiers, one a line", "%i\n" },
	{ "JSON of identifiers", "\"id_%d\":\"%i\"," },
	{ "a table of identifiers", "%d,%i,%i,%x%x\n" },
	{ "identifiers with a prefix", "%w_%i,%w-%i;" },
	{ "a trace", "trace_id=%h span_id=%x%x%x%x key=%i token=%d\n" },
	{ "ULIDs and versions", "01HV%i@%d.%d.%d\n" },
	{ "lists of hashes in JSON", "{\"sha\":\"%h%x%x\",\"etag\":\"W/\\\"%x-%i\\\"\"}," },
	{ "a lock file", "    \"integrity\": \"sha512-%b==\",\n    \"version\": \"%d.%d.%d\"\n" },
	{ "a key of SSH", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%i%i %w@host%d\n" },
	{ "minified CSS", ".%w-%d{color:#%x;margin:0 %dpx}.%w>a:hover{--key:%w}" },
	{ "a bundle of JavaScript", "!function(e,t){\"use strict\";var n=t[%d],r=n||{};e.k%x=function(e){return e.%w?r.%w(e,%d):void 0}}(this,a%d);" },
	{ "a source map", "AAAA,SAASA,%i;EACE,%i;" },
	/* colored output of programs */
	{ "a colored diff of an .env", " HOST=%w\x1b[m\n PORT=%d\x1b[m\n REGION=%w\x1b[m\n\x1b[31m-DB_PASSWORD=%w%d\x1b[m\n\x1b[32m+\x1b[m\x1b[32mDB_PASSWORD=%w%x\x1b[m\n LOG=%w\x1b[m\n MODE=%w\x1b[m\n CACHE=%d\x1b[m\n" },
	{ "a colored diff", "\x1b[36m@@ -%d,7 +%d,7 @@\x1b[m \x1b[mstatic int %w(void)\x1b[m\n \treturn %d;\x1b[m\n\x1b[31m-\tkey = %w(%d);\x1b[m\n\x1b[32m+\x1b[m\x1b[32m\tkey = %w(%d);\x1b[m\n" },
	{ "a diff colored by words", "\x1b[1mdiff --git a/%w.c b/%w.c\x1b[m\nkey = \x1b[31m[-%w-]\x1b[m\x1b[32m{+%w+}\x1b[m;\n" },
	{ "a colored log", "\x1b[90m2026-01-02 03:04:05\x1b[0m \x1b[32mINFO \x1b[0m [\x1b[36m%w\x1b[0m] token=\x1b[33m%x\x1b[0m took \x1b[1m%d\x1b[0m ms\n" },
	{ "a colored log of levels", "\x1b[2m[03:04:05]\x1b[0m \x1b[1;31mERROR\x1b[0m \x1b[38;5;208m%w.%w\x1b[0m: %w %w %d\n" },
	{ "a log of 24-bit colors", "\x1b[38;2;%p;%p;%pm%w\x1b[39m=\x1b[38;2;%p;%p;%pm%d\x1b[39m " },
	{ "a colored log of containers", "\x1b[36mapi-%d  | \x1b[0m{\"level\":\"info\",\"key\":\"%w\",\"user\":%d}\n" },
	{ "a colored ls", "\x1b[0m\x1b[01;34m%w\x1b[0m  \x1b[01;32m%w.sh\x1b[0m  \x1b[01;31m%w.tar.gz\x1b[0m  \n" },
	{ "a colored grep", "\x1b[35m\x1b[K%w.c\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K\x1b[32m\x1b[K%d\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[Kint \x1b[01;31m\x1b[Kkey\x1b[m\x1b[K = %d;\n" },
	{ "a progress bar", "\r\x1b[2K %d%% [=====>      ] %d/%d %w\x1b[1A" },
	{ "a colored test run", "  \x1b[32m✓\x1b[39m\x1b[90m %w %w %w\x1b[39m\x1b[90m (%dms)\x1b[39m\n" },
	{ "escapes written out", "\\u001b[32m%w\\u001b[0m: \\x1b[1m%d\\x1b[0m \\033[31mkey\\033[0m\n" },
	/* catalogs of messages */
	{ "a Chinese catalog", "\"error.%w.%d\": \"密码错误，请重新输入密码\",\n" },
	{ "a Chinese catalog of a login", "login.%w=请输入您的用户名和密码\npassword.%d=密码不能为空，密码长度必须为%d位\n" },
	{ "a Japanese catalog", "\"msg.%d\": \"パスワードが正しくありません。もう一度パスワードを入力してください\",\n" },
	{ "a Korean catalog", "msg.%w.%d=비밀번호가 올바르지 않습니다. 비밀번호를 다시 입력하세요\n" },
	{ "a Russian catalog", "  \"%w_%d\": \"Неверный пароль. Введите пароль ещё раз\",\n" },
	{ "an Arabic catalog", "<string name=\"%w_%d\">كلمة المرور غير صحيحة، أعد إدخال كلمة المرور</string>\n" },
	{ "a Hindi catalog", "%w.%d: \"पासवर्ड गलत है, कृपया पासवर्ड फिर से डालें\"\n" },
	{ "a Thai catalog", "msgid \"%w %d\"\nmsgstr \"รหัสผ่านไม่ถูกต้อง กรุณาใส่รหัสผ่านอีกครั้ง\"\n\n" },
	{ "a Hebrew catalog", "%w.%d = הסיסמה שגויה, הזן את הסיסמה שוב\n" },
	{ "a Greek catalog", "\"%w\": \"Λάθος κωδικός πρόσβασης (%d)\",\n" },
	{ "a German catalog", "#: src/%w.c:%d\nmsgid \"Wrong password for %w\"\nmsgstr \"Falsches Passwort für %w\"\n\n" },
	{ "a French catalog", "<trans-unit id=\"%d\"><source>Wrong password</source><target>Mot de passe incorrect, saisissez le mot de passe</target></trans-unit>\n" },
	{ "a Spanish catalog", "%w.%d=La contrase\\u00f1a no es v\\u00e1lida; escriba su contrase\\u00f1a\n" },
	{ "a Turkish catalog", "\"%w.%d\": \"Parola yanlış, lütfen parolanızı yeniden girin\",\n" },
	{ "a Vietnamese catalog", "\"%w.%d\": \"Mật khẩu không đúng, vui lòng nhập lại mật khẩu\",\n" },
	{ "a Polish catalog", "%w_%d: 'Nieprawidłowe hasło, wpisz hasło ponownie'\n" },
	{ "a Chinese catalog in escapes", "%w.%d=\\u5bc6\\u7801\\u9519\\u8bef\\uff0c\\u8bf7\\u91cd\\u65b0\\u8f93\\u5165\\u5bc6\\u7801\n" },
	{ "a Japanese catalog in escapes", "\"%w.%d\": \"\\u30d1\\u30b9\\u30ef\\u30fc\\u30c9\\u304c\\u6b63\\u3057\\u304f\\u3042\\u308a\\u307e\\u305b\\u3093\",\n" },
	{ "a Russian catalog in escapes", "%w.%d=\\u041d\\u0435\\u0432\\u0435\\u0440\\u043d\\u044b\\u0439 \\u043f\\u0430\\u0440\\u043e\\u043b\\u044c\n" },
	{ "a Chinese catalog in entities", "<data name=\"%w%d\"><value>&#23494;&#30721;&#38169;&#35823;&#65292;&#35831;&#37325;&#26032;&#36755;&#20837;&#23494;&#30721;</value></data>\n" },
	{ "Chinese in URLs", "https://example.cn/%%E5%%AF%%86%%E7%%A0%%81/%w?q=%%E9%%94%%99%%E8%%AF%%AF&p=%d\n" },
	/* subtitles and exports */
	{ "SubRip", "%d\n00:%p:%p,%d --> 00:%p:%p,%d\n- %w %w %w?\n- %w, %w.\n\n" },
	{ "WebVTT", "00:%p:%p.%d --> 00:%p:%p.%d align:start\n<v %n>%w %w</v>\n\n" },
	{ "ASS", "Dialogue: 0,0:%p:%p.%p,0:%p:%p.%p,Default,,0,0,0,,{\\an8}%w %w\\N%w\n" },
	{ "Chinese subtitles", "%d\n00:%p:%p,%d --> 00:%p:%p,%d\n你忘记密码了吗？密码是什么？\n\n" },
	{ "one-row INSERTs", "INSERT INTO users (id, name, password, email) VALUES (%d, '%n', '%x%x', 'u%d@example.com');\n" },
	{ "one-row INSERTs of MySQL", "INSERT INTO `users` (`id`, `key`, `token`, `created`) VALUES (%d, '%w', '%i', '2026-01-02 03:04:05');\n" },
	{ "one-row INSERTs without secrets", "INSERT INTO orders (id, product, price) VALUES (%d, '%w', %d.%d);\n" },
	{ "UPDATEs", "UPDATE users SET password = '%x%x', name = '%n' WHERE id = %d;\n" },
	{ "a spreadsheet", "%d\t%n\t%d/%p/2026\t$%d.%d\t%w %w\t(555) 010-%d\n" },
	{ "a spreadsheet in quotes", "\"%d\",\"%n\",\"%w\n%w, %w\",\"%d.%d\",\"=SUM(A%d:A%d)\"\n" },
	{ "a box of a database", "│ %d │ %n │ %w │ %d.%d │\n" },
	{ "a dump of MongoDB", "{ \"_id\" : ObjectId(\"%h\"), \"key\" : \"%w\", \"n\" : NumberLong(%d) }\n" },
	{ "a ledger", "2026-%p-%p * %n\n    Assets:%w:%w    %d.%d EUR\n    Expenses:%w\n" },
	{ "an iCalendar", "BEGIN:VEVENT\r\nUID:%h@example.com\r\nDTSTART:20260102T030405Z\r\nSUMMARY:%w %w\r\nEND:VEVENT\r\n" },
	{ "a glossary of strings", "/* %w */\n\"%w.password.%d\" = \"Password for %%@\";\n" },
	{ "a resource of Windows", "  <data name=\"%w_%d\" xml:space=\"preserve\">\n    <value>Enter your password</value>\n  </data>\n" },
	/* bytes that are not text */
	{ "random bytes", "%r" },
	{ "random bytes of seven bits", "%l" },
	{ "random bytes, with U+FFFD", "%f" },
	{ "random bytes, as Latin-1 in UTF-8", "%u" },
	{ "PDF, with U+FFFD", "%d 0 obj\n<< /Length %d >>\nstream\n%f%f%f%f\nendstream\nendobj\n" },
	{ "content of PDF", "BT /F1 %d Tf %d.%d %d.%d Td [(%w)-%d(%w)%d] TJ ET\n" },
	{ "an archive", "%w/%w.c %d ustar  %w%r%r" },
	{ "a program", "%w.%w__%w_%d@GLIBC_2.%d %r" },
	{ "random characters", "%a" },
	{ "gzip", "\x1f\x8b\x08%0%0%0%0%0%0\x03%r%r%r%r%r%r%r%r" },
	{ "PDF", "%d 0 obj\n<</Length %d/Filter/FlateDecode>>\nstream\n%r%r%r%r%r%r%r%r\nendstream\nendobj\n" },
	{ "PNG", "%0%0 %0IDATx\x9c%r%r%r%r%r%r%r%r%r%r%r%r%r%r%r%r" },
	{ "numbers of four bytes", "\x01%0%0%0%%%0%0%0\x07\x02%0%0\xff\xff\xff\xff" },
	{ "UTF-16", "T%0h%0e%0 %0k%0e%0y%0 %0i%0s%0 %0h%0e%0r%0e%0.%0\n%0" },
	{ "Latin-1", "Der Schl\xfcssel f\xfcr das %w liegt \xfc" "ber dem %w. " },
	{ "UTF-8 read as Latin-1", "SchlÃ¼ssel fÃ¼r das %w, Ã¼ber %d. " },
	/* clang-format on */
};

static size_t
append_digits(char *out, uint64_t *random, const char *set, uint32_t base, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = set[text_random(random) % base];
	return n;
}

static size_t
append_bytes(char *out, uint64_t *random, uint32_t first, uint32_t count, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(first + text_random(random) % count);
	return n;
}

/* Appends 32 random bytes. Each byte over 127 is written in UTF-8, or replaced by U+FFFD. */
static size_t
append_latin(char *out, uint64_t *random, bool replaced)
{
	size_t at = 0;

	for (size_t n = 0; n < 32; n++) {
		unsigned char c = (unsigned char)(text_random(random) >> 8);
		if (c < 128)
			out[at++] = (char)c;
		else
			at += (size_t)sprintf(out + at, replaced ? "\xef\xbf\xbd" : "%c%c",
				0xc0 | c >> 6, 0x80 | (c & 63));
	}
	return at;
}

/* Appends the text for %c, at most 96 bytes. */
static size_t
append_part(char *out, char c, uint64_t *random)
{
	static const char *const words[] = { "north", "value", "table", "index", "window", "report",
		"status", "users", "cache", "order", "public", "service", "stream", "item",
		"market", "handler" };
	static const char *const names[] = { "Anna Miller", "Carlos Lopez", "Fatima Haddad",
		"Peter Novak", "Li Wei", "Ada Jones" };
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t r = text_random(random);

	switch (c) {
	case 'd': return (size_t)sprintf(out, "%u", r % 10000);
	case 'p': return (size_t)sprintf(out, "%u", r % 256);
	case 'x': return append_digits(out, random, "0123456789abcdef", 16, 4);
	case 'h': return append_digits(out, random, "0123456789abcdef", 16, 32);
	case 'b': return append_digits(out, random, base64, 64, 76);
	case 'i': return append_digits(out, random, base64, 64, 22);
	case 'r': return append_bytes(out, random, 0, 256, 64);
	case 'l': return append_bytes(out, random, 0, 128, 64);
	case 'a': return append_bytes(out, random, '!', '~' - '!' + 1, 64);
	case 'u': return append_latin(out, random, false);
	case 'f': return append_latin(out, random, true);
	case '0': out[0] = 0; return 1;
	case 'w': return (size_t)sprintf(out, "%s", words[r % COUNT_OF(words)]);
	case 'n': return (size_t)sprintf(out, "%s", names[r % COUNT_OF(names)]);
	default: out[0] = c; return 1;
	}
}

static void
fill_kind(const char *line, char *room, size_t n)
{
	uint64_t random = 7;
	char part[96 + 1]; /* sprintf() adds a NUL */

	for (size_t at = 0, i = 0; at < n; i = line[i] ? i : 0) {
		size_t len = 1;
		part[0] = line[i];
		if (line[i] == '%' && line[i + 1]) {
			len = append_part(part, line[i + 1], &random);
			i++;
		}
		i++;
		len = len < n - at ? len : n - at;
		memcpy(room + at, part, len);
		at += len;
	}
}

static void
ordinary_text_is_searched_to_its_end(void **state)
{
	static const size_t sizes[] = { FEW, TINY, SMALL, LARGE };
	static char room[LARGE];
	struct detect_fix *f = *state;
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT_OF(kinds) * COUNT_OF(sizes); i++) {
		size_t n = sizes[i % COUNT_OF(sizes)];
		struct findings v;
		fill_kind(kinds[i / COUNT_OF(sizes)].line, room, n);
		assert_true(effort_open(UINT64_MAX));
		detect_scan(f->rules, f->scratch, span_of(room, n), NULL, &f->arena, &v);
		uint64_t done = effort_close(), most = detect_work(n);
		arena_reset(&f->arena);
		if (done <= most / PART * (PART - 1))
			continue;
		wrong++;
		fprintf(stderr, "%s, %zu bytes: %.1f units a byte of %.1f\n",
			kinds[i / COUNT_OF(sizes)].name, n, (double)done / (double)n,
			(double)most / (double)n);
	}
	assert_true(COUNT_OF(kinds) >= 125);
	assert_int_equal(wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_text_is_searched_to_its_end),
	};
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
