# Findings of tests/support/prose in Markdown, and texts that it accepts. A row has a page's text after its opening,
# with \n for a new line, and a part of the finding; "-" if there is none.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

prose() { (cd "$D" && python3 "$root/tests/support/prose" "$@"); }
mkdir -p "$D/tests/data" "$D/docs"
cp "$root/tests/data/prose.txt" "$D/tests/data/"
words() { printf 'word %.0s' $(seq "$1"); }
page() { printf '# Title\n\nThe cache stores responses, and you need it for repeated requests.\n\n%b\n' "$1" >"$D/docs/page.md"; }

while IFS='|' read -r name text finding; do
	page "${text//BAR/|}"
	found=$(prose --check docs/page.md)
	if [ "$finding" = - ]; then is "$name" "$found" ""; else like "$name" "$found" "$finding"; fi
done <<END
a sentence with a subject and a verb is clean|The gateway refuses the request.|-
a sentence of 40 words is clean|$(words 39)end.|-
a sentence of 41 words is named with its number of words|$(words 40)end.|docs/page.md:5: a sentence of 41 words
two sentences on one line are counted apart|$(words 30)end. Then $(words 30)end.|-
a sentence over two lines is one|$(words 20)\n$(words 20)end.|a sentence of 41 words
a sentence in an item is counted|- $(words 40)end.|a sentence of 41 words
a sentence in a cell of a table is counted|BAR a BAR $(words 40)end. BAR|a sentence of 41 words
cells of a row are sentences of their own|BAR $(words 30)end BAR $(words 30)end BAR|-
a comment permits a long sentence|<!-- prose: ok long -->\n$(words 40)end.|-
a word that a program cannot do is named with what to write|The daemon says so.|"says": a program does not speak. Write: reports
a finding has the line of its paragraph|One line.\n\nThe log told so.|docs/page.md:7: "told"
case does not matter|Told by the daemon.|"Told"
a word in code is left alone|The key \`says\` has a default.|-
a word in an indented block is left alone|    echo he says\n|-
a word in a fenced block is left alone|\`\`\`\nhe says\n\`\`\`\n|-
a word in the target of a link is left alone|See [the page](https://example.com/what-he-says.md).|-
a word in the text of a link is named|See [what he says](page.md).|"says"
a part of a longer word is left alone|The saying is old.|-
a comment before a line permits the word there|<!-- prose: ok says -->\nThe RFC says so.|-
a comment in a line permits the word there|The RFC says so. <!-- prose: ok says -->|-
a comment in a row of a table permits the word there|BAR The RFC says so. <!-- prose: ok says --> BAR|-
a comment permits no other word|The RFC says so, he told. <!-- prose: ok says -->|"told"
a comment permits nothing in the next paragraph|The RFC says so. <!-- prose: ok says -->\n\nThe log says so.|docs/page.md:7: "says"
a caller is no he|The caller gets his quota back.|a caller is no "he"
an opening is found at the beginning of a sentence|It ends. Who asks again waits.|"Who": a relative clause as the subject
an opening inside a sentence is left alone|Callers who ask again wait.|-
an opening of a question is left alone|Who asks again?|-
an opening in an item is found|- Where the provider fails, it ends.|a condition without if or when
an opening in bold is found|**What nobody asked** is kept.|a relative clause as the subject
British spelling is named|The behaviour is normalised.|British spelling
an anchor before a heading is no text|<a id="he"></a>\n## Next\n\nThe end is near.|-
a link to a heading leads somewhere|See [more](#next-part).\n\n## Next part\n\nThe end.|-
a link to an anchor leads somewhere|See [more](page.md#old).\n\n<a id="old"></a>\n## Next part\n\nThe end.|-
a link to a missing heading is named|See [more](page.md#gone).|docs/page.md: links to docs/page.md#gone, which does not exist
a heading in a block of code is none|See [more](#x).\n\n\`\`\`\n# x\n\`\`\`|links to docs/page.md#x
END

while IFS='|' read -r name file text finding; do
	printf '%b' "$text" >"$D/$file"
	found=$(prose --check "$file")
	if [ "$finding" = - ]; then is "$name" "$found" ""; else like "$name" "$found" "$finding"; fi
done <<'END'
a page that begins with a table has no opening sentence|docs/page.md|# Title\n\n* one\n|does not begin with a sentence
a page that begins with a block of code has none|docs/page.md|# Title\n\n    make\n\n## Next\n\n- item\n|does not begin with a sentence
a page that begins with words and no full stop has none|docs/page.md|# Title\n\nFor operators\n|does not begin with a sentence
a page that begins with For who has none that says what it is|docs/page.md|# Title\n\nFor who runs Redis.\n|the page does not say what it is about
a picture before the sentence is no text|docs/page.md|# Title\n\n<img src="x.png">\n\nThe daemon inspects requests.\n|-
END

page "$(for i in $(seq 30); do printf 'The sentence number %s ends. ' "$i"; done)"
is "fourteen sentences of a page are drawn" "$(prose --draw 5 docs/page.md | grep -c '^- line')" 14
is "the same seed draws the same sentences" "$(prose --draw 5 docs/page.md)" "$(prose --draw 5 docs/page.md)"
isnt() { [ "$2" != "$3" ] && ok "$1" || not_ok "$1" "the same"; }
isnt "another seed draws other sentences" "$(prose --draw 5 docs/page.md)" "$(prose --draw 6 docs/page.md)"
exit $failed
