// Few rules: those that find faults. How code looks is for people to agree on.

const RULES = {
  "array-callback-return": "error",
  eqeqeq: ["error", "always", { null: "ignore" }],
  "max-lines": ["error", 500],
  "max-len": ["error", { code: 120, ignorePattern: "^  \\w+: \"" }],
  "no-alert": "error",
  "no-constant-condition": "error",
  "no-console": "error",
  "no-duplicate-imports": "error",
  "no-empty": "error",
  "no-eval": "error",
  "no-fallthrough": "error",
  "no-global-assign": "error",
  "no-implicit-globals": "error",
  "no-redeclare": "error",
  "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML", "write"].map((property) =>
    ({ property, message: "Text goes in as text." }))],
  "no-self-compare": "error",
  "no-shadow": "error",
  "no-unreachable": "error",
  "no-unsafe-finally": "error",
  "no-unused-vars": "error",
  "no-use-before-define": ["error", { functions: false, variables: false }],
  "no-var": "error",
  "prefer-const": "error",
};

export default [
  { files: ["www/**/*.js"], rules: RULES },
  { files: ["tests/browser/**/*.mjs"], ignores: ["**/node_modules/**"], rules: { ...RULES, "max-len": "off", "no-console": "off" } },
];
