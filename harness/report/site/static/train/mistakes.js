/** Known mistakes as changes to the JavaScript port's own lines, under their names in harness/explain/mutants: [line, in its place]. */

const UPDATE = 'parameters[i] -= (rate * (m[i] / correction1)) / (maths.pow(v[i] / correction2, 0.5) + epsilon);';
const RATES = '{ rate, correction1: 1 - maths.pow(beta1, step + 1), correction2: 1 - maths.pow(beta2, step + 1) }';
const STEP = 'adam(optimizer, step, { parameters: model.parameters, gradients: model.gradients, m, v }, model.maths);';
const PRESET = "activation: 'relu', sigma: 0.08, outputSigma: 0.08,";
const BETAS = "beta1: 0.85, beta2: 0.99, schedule: 'linear', steps: 1000,";
const cached = (what) => `attention[t].map((position) => this.${what}[i][position]);`;
const recent = (what) => [
  'attention[t].map((position) => (position === t',
  `      ? this.${what}[i][t]`,
  `      : tape.vector(embedding, (j) => tape.leaf(tape.data[this.${what}[i][position] + j]))));`,
].join('\n');

export const MISTAKES = {
  'no-bias-correction': [[RATES, '{ rate, correction1: 1, correction2: 1 }']],
  'rate-and-correction-one-step-on': [[STEP, STEP.replace('step', 'step + 1')]],
  'betas-of-libraries': [[BETAS, BETAS.replace('0.85', '0.9').replace('0.99', '0.999')]],
  'adam-eps-inside-the-root': [[UPDATE, UPDATE.replace(', 0.5) + epsilon', ' + epsilon, 0.5)')]],
  'schedule-constant': [['learning_rate * (1 - step / steps)', 'learning_rate']],
  'gradients-not-reset': [
    ['this.tape.size = this.parameterCount;', 'this.tape.size = this.tape.kept = this.parameterCount;'],
    ['grad.fill(0, 0, this.size);', 'grad.fill(0, this.kept, this.size);'],
  ],
  'pow-slope-without-exponent': [['c * this.maths.pow(this.data[a], c - 1)', 'this.maths.pow(this.data[a], c - 1)']],
  'keys-and-values-without-history': [[cached('keys'), recent('keys')], [cached('values'), recent('values')]],
  'scale-missing': [['tape.leaf(maths.pow(maths.pow(size, 0.5), -1));', 'tape.leaf(1);']],
  'norm-without-division-by-n': [['tape.leaf(maths.pow(embedding, -1))', 'tape.leaf(1)']],
  'attention-residual-missing': [
    ["x = note('attn_residual', this.#added(attended, x));", "x = note('attn_residual', attended);"],
  ],
  'feed-forward-residual-missing': [
    ["x = note('mlp_residual', this.#added(note('mlp_out', out), x));", "x = note('mlp_residual', note('mlp_out', out));"],
  ],
  'position-missing': [
    ['this.#added(matrix.wte.start + token * embedding, matrix.wpe.start + t * embedding);', 'matrix.wte.start + token * embedding;'],
  ],
  'activation-of-another-version': [[PRESET, PRESET.replace('relu', 'squared_relu')]],
  'summed-loss': [['tape.leaf(1 / count)', 'tape.leaf(1)']],
  'target-is-the-current-token': [['tape.log(probabilities + tokens[t + 1])', 'tape.log(probabilities + tokens[t])']],
  'sigma-of-another-version': [[PRESET, PRESET.replaceAll('0.08', '0.02')]],
  'dots-from-right': [
    ['for (let i = 0; i < count; i++) total += data[a + i] * data[b + i];', 'for (let i = count - 1; i >= 0; i--) total += data[a + i] * data[b + i];'],
  ],
  'float32-parameters': [[UPDATE, `${UPDATE.replace('-= ', '= Math.fround(parameters[i] - ').replace(';', ');')}`]],
  'native-math': [['const maths = MATHS.exact;', 'const maths = MATHS.native;']],
};
