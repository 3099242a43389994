# The bill of materials of a release in SPDX 2.3, from the CycloneDX files that its packages contain (spoa/cmd/makers/sbom).
# Arguments: version, commit, epoch; files: [{name, sha256, bom?}], the source archive first; images: ["NAME:TAG@sha256:…"].
def known: ["Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "curl", "OpenSSL"];
def id($kind): "SPDXRef-" + $kind + "-" + gsub("[^A-Za-z0-9.]+"; "-");
def package($id; $name; $version): {SPDXID: $id, name: $name, versionInfo: $version, downloadLocation: "NOASSERTION",
	filesAnalyzed: false, licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION"};
def purl($purl): {externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $purl}]};
def sha256($sum): {checksums: [{algorithm: "SHA256", checksumValue: $sum}]};
def licenses: [.licenses[]?.license | .id // .name] as $names
	| if ($names | length) == 1 and (known | index($names[0])) then {licenseDeclared: $names[0]}
	else {licenseDeclared: "NOASSERTION"} + if ($names | length) > 0 then {licenseComments: ("The package's copyright file names: " + ($names | join(", ")))} else {} end end;
def relation($from; $type; $to): {spdxElementId: $from, relationshipType: $type, relatedSpdxElement: $to};
# tollgate's own programs are described as files of their package
def libraries: [.bom.components[]? | select(.purl | startswith("pkg:generic/tollgate") | not)];

($files[0].name | id("file")) as $source
| {
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: ("tollgate-" + $version),
	documentNamespace: ("https://tollgate.dev/spdx/tollgate-" + $version + "-" + $commit),
	creationInfo: {created: ($epoch | tonumber | todate), creators: ["Organization: The tollgate authors", "Tool: packaging/release"]},
	packages: (
		[$files[] | package(.name | id("file"); "tollgate"; $version) + sha256(.sha256)
			+ {packageFileName: .name, supplier: "Organization: The tollgate authors", licenseDeclared: "Apache-2.0"}]
		+ [$images[] | capture("^(?<name>[^:]*):(?<tag>[^@]*)(@sha256:(?<sum>.*))?$")
			| package((.name + ":" + .tag) | id("image"); .name; .tag) + {licenseDeclared: "NOASSERTION"}
			+ if .sum then sha256(.sum) + purl("pkg:docker/" + .name + "@sha256%3A" + .sum) else purl("pkg:docker/" + .name + "@" + .tag) end]
		+ ([$files[] | libraries[]] | unique_by(.purl)
			| map(package(.purl | id("part"); .name; .version) + purl(.purl) + licenses))),
	relationships: (
		[$files[] | relation("SPDXRef-DOCUMENT"; "DESCRIBES"; .name | id("file"))]
		+ [$files[1:][] | relation(.name | id("file"); "GENERATED_FROM"; $source)]
		+ [$images[] | relation(sub("@.*"; "") | id("image"); "BUILD_DEPENDENCY_OF"; $source)]
		+ [$files[] | (.name | id("file")) as $file | libraries[]
			| relation($file; if .purl | startswith("pkg:deb/debian/node-llhttp") or startswith("pkg:npm/") then "CONTAINS" else "DEPENDS_ON" end; .purl | id("part"))])
}
