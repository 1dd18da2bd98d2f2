/** The same training in float32 by fragment shaders: a pixel is a number, a pass a tensor, a position a row. Runs in the worker. */

import { PRESETS, matricesOf } from './microgpt.js';

const { block, learning_rate: RATE, beta1, beta2, epsilon } = PRESETS.classic;
const [E, HIDDEN, HEAD_ROWS] = [16, 64, 4 * block]; // a head's row t is 16 head + t

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D;
uniform sampler2D a, b, c, d;
uniform int n, size, tokens[${block + 1}];
uniform vec3 adam;
out vec4 result;
float at(sampler2D t, int row, int column) { return texelFetch(t, ivec2(column, row), 0).r; }
float score(int head, int t, int s) {
  float sum = 0.0;
  for (int j = 4 * head; j < 4 * head + 4; j++) sum += at(a, t, j) * at(b, s, j);
  return sum;
}
void main() {
  int row = int(gl_FragCoord.y), column = int(gl_FragCoord.x), head = column / 4, t = row % ${block}, part = row / ${block};
  float x = 0.0, y = 0.0, z = 0.0;
`;

const UPDATE = `
  vec4 old = texelFetch(c, ivec2(column, row), 0);
  float m = ${beta1} * old.g + ${1 - beta1} * x, v = ${beta2} * old.b + ${(1 - beta2).toFixed(12)} * x * x;
  result = vec4(old.r - adam.x * (m / adam.y) / (sqrt(v / adam.z) + ${epsilon.toFixed(10)}), m, v, x);
}`;

/** What each pass computes as x, the number at (row, column), from the tensors a, b, c and d. */
const PASSES = {
  embed: 'x = at(a, tokens[row], column) + at(b, row, column);',
  norm: `for (int j = 0; j < size; j++) x += at(a, row, j) * at(a, row, j);
    x = at(a, row, column) / sqrt(x / float(size) + 1e-5);`,
  linear: 'for (int j = 0; j < size; j++) x += at(a, column, j) * at(b, row, j);',
  add: 'x = at(a, row, column) + at(b, row, column);',
  relu: 'x = max(at(a, row, column), 0.0);',
  weights: `y = score(part, t, 0);
    for (int s = 1; s <= t; s++) y = max(y, score(part, t, s));
    for (int s = 0; s <= t; s++) x += exp((score(part, t, s) - y) * 0.5);
    x = column <= t ? exp((score(part, t, column) - y) * 0.5) / x : 0.0;`,
  mixed: `for (int s = 0; s <= row; s++) x += at(a, ${block} * head + row, s) * at(b, s, column);`,
  softmax: `y = at(a, row, 0);
    for (int j = 1; j < size; j++) y = max(y, at(a, row, j));
    for (int j = 0; j < size; j++) x += exp(at(a, row, j) - y);
    x = exp(at(a, row, column) - y) / x;`,
  loss: 'for (int s = 0; s < n; s++) x -= log(at(a, s, tokens[s + 1]));\n x /= float(n);',
  // backwards: what follows are gradients
  logits: 'x = (at(a, row, column) - (column == tokens[row + 1] ? 1.0 : 0.0)) / float(n);',
  back: 'for (int j = 0; j < size; j++) x += at(a, j, column) * at(b, row, j);',
  backAdd: 'x = at(c, row, column); for (int j = 0; j < size; j++) x += at(a, j, column) * at(b, row, j);',
  mask: 'x = at(b, row, column) > 0.0 ? at(a, row, column) : 0.0;',
  normBack: `for (int j = 0; j < size; j++) { x += at(a, row, j) * at(a, row, j); y += at(a, row, j) * at(b, row, j); }
    z = 1.0 / sqrt(x / float(size) + 1e-5);
    x = z * at(b, row, column) - at(a, row, column) * z * z * z * y / float(size);`,
  scores: `for (int s = 0; s <= t; s++) { z = score(part, t, s); y += at(c, row, s) * z; if (s == column) x = z; }
    x = column <= t ? at(c, row, column) * (x - y) * 0.5 : 0.0;`,
  queries: `for (int s = 0; s <= row; s++) x += at(a, ${block} * head + row, s) * at(b, s, column);`,
  earlier: `for (int s = row; s < n; s++) x += at(a, ${block} * head + s, row) * at(b, s, column);`,
  update: `for (int s = 0; s < n; s++) x += at(a, s, row) * at(b, s, column);${UPDATE}`,
  updateTokens: `for (int s = 0; s < n; s++) if (tokens[s] == row) x += at(a, s, column);${UPDATE}`,
  updatePositions: `if (row < n) x = at(a, row, column);${UPDATE}`,
};

export class GpuTraining {
  /** Begins with the engine's first parameters, rounded to float32. */
  constructor(training, steps) {
    Object.assign(this, { training, steps, step: 0, isOpen: false });
    const gl = typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(1, 1).getContext('webgl2');
    if (!gl) throw new Error('this browser offers no WebGL 2 to a worker, so this run is left out; all else goes on without');
    if (!gl.getExtension('EXT_color_buffer_float')) throw new Error('this WebGL 2 cannot draw float32 numbers, so this run is left out');
    this.gl = gl;
    this.by = gl.getParameter((gl.getExtension('WEBGL_debug_renderer_info') ?? { UNMASKED_RENDERER_WEBGL: gl.RENDERER }).UNMASKED_RENDERER_WEBGL);
    this.vocabulary = training.characters.length + 1;
    this.matrices = matricesOf({ layers: 1, embedding: E, block, vocabulary: this.vocabulary });
    this.programs = Object.fromEntries(Object.entries(PASSES).map(([name, body]) => [name, this.program(body)]));
    const first = Float32Array.from(training.parameters);
    const made = (filled) => Object.fromEntries(this.matrices.map(({ name, rows, columns, start }) => [
      name.replace('layer0.', ''), this.texture(rows, columns, filled ? first.subarray(start, start + rows * columns) : null),
    ]));
    [this.now, this.next] = [made(true), made(false)];
    this.tensors = {};
  }

  program(body) {
    const { gl } = this;
    const program = gl.createProgram();
    const end = body.includes('result =') ? '' : '\n  result = vec4(x, 0.0, 0.0, 0.0);\n}';
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, '#version 300 es\nvoid main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }'],
      [gl.FRAGMENT_SHADER, HEAD + body + end],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`a shader cannot be compiled here: ${gl.getProgramInfoLog(program)}`);
    gl.useProgram(program);
    const places = Object.fromEntries(['n', 'size', 'tokens', 'adam'].map((name) => [name, gl.getUniformLocation(program, name)]));
    [...'abcd'].forEach((name, unit) => gl.uniform1i(gl.getUniformLocation(program, name), unit));
    return { program, places };
  }

  texture(rows, columns, numbers = null) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    let pixels = null;
    if (numbers) {
      pixels = new Float32Array(4 * rows * columns);
      numbers.forEach((x, i) => { pixels[4 * i] = x; });
    }
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, columns, rows, 0, gl.RGBA, gl.FLOAT, pixels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    const frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    return { texture, frame, rows, columns };
  }

  /** Draws `target` from the inputs; `size` is how far a pass's sum runs. */
  pass(name, target, inputs, size = E) {
    const { gl, programs: { [name]: { program, places } } } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.frame);
    gl.viewport(0, 0, target.columns, target.rows);
    gl.useProgram(program);
    gl.uniform1i(places.n, this.n);
    gl.uniform1i(places.size, size);
    gl.uniform1iv(places.tokens, this.tokens);
    gl.uniform3f(places.adam, ...this.adam);
    inputs.forEach((input, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, input.texture);
    });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return target;
  }

  /** The result `tensor` of a pass, in a texture that is made once. */
  make(tensor, name, inputs, { columns = E, rows = block, size = E } = {}) {
    this.tensors[tensor] ??= this.texture(rows, columns);
    return this.pass(name, this.tensors[tensor], inputs, size);
  }

  /** One step; returns the loss before its update. */
  advance() {
    const { now: w, training, step, steps, vocabulary } = this;
    const tokens = training.tokens(training.document(step)).slice(0, block + 1);
    this.n = tokens.length - 1;
    this.tokens = Int32Array.from({ length: block + 1 }, (_, i) => tokens[i] ?? 0);
    this.adam = [RATE * (1 - step / steps), 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
    const [wide, heads, letters] = [{ columns: HIDDEN }, { rows: HEAD_ROWS }, { columns: vocabulary }];
    const embedded = this.make('embedded', 'embed', [w.wte, w.wpe]);
    const normed = this.make('normed', 'norm', [embedded]);
    const attnNorm = this.make('attn_norm', 'norm', [normed]);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => this.make(name, 'linear', [w[`attn_w${name}`], attnNorm]));
    const weights = this.make('weights', 'weights', [q, k], heads);
    const mixed = this.make('mixed', 'mixed', [weights, v]);
    const attended = this.make('attn_residual', 'add', [this.make('attn_out', 'linear', [w.attn_wo, mixed]), normed]);
    const mlpNorm = this.make('mlp_norm', 'norm', [attended]);
    const hidden = this.make('hidden', 'linear', [w.mlp_fc1, mlpNorm], wide);
    const activated = this.make('activated', 'relu', [hidden], wide);
    const out = this.make('mlp_out', 'linear', [w.mlp_fc2, activated], { size: HIDDEN });
    const residual = this.make('mlp_residual', 'add', [out, attended]);
    const logits = this.make('logits', 'linear', [w.lm_head, residual], letters);
    const probabilities = this.make('probabilities', 'softmax', [logits], { ...letters, size: vocabulary });
    const loss = this.make('loss', 'loss', [probabilities], { rows: 1, columns: 1 });

    const dLogits = this.make('dLogits', 'logits', [probabilities], letters);
    const dResidual = this.make('dResidual', 'back', [w.lm_head, dLogits], { size: vocabulary });
    const dActivated = this.make('dActivated', 'back', [w.mlp_fc2, dResidual], wide);
    const dHidden = this.make('dHidden', 'mask', [dActivated, hidden], wide);
    const dMlpNorm = this.make('dMlpNorm', 'back', [w.mlp_fc1, dHidden], { size: HIDDEN });
    const dAttended = this.make('dAttended', 'add', [this.make('dAttendedNorm', 'normBack', [attended, dMlpNorm]), dResidual]);
    const dMixed = this.make('dMixed', 'back', [w.attn_wo, dAttended]);
    const dScores = this.make('dScores', 'scores', [dMixed, v, weights], heads);
    const dQ = this.make('dQ', 'queries', [dScores, k]);
    const dK = this.make('dK', 'earlier', [dScores, q]);
    const dV = this.make('dV', 'earlier', [weights, dMixed]);
    const dNormQ = this.make('dNormQ', 'back', [w.attn_wq, dQ]);
    const dNormQK = this.make('dNormQK', 'backAdd', [w.attn_wk, dK, dNormQ]);
    const dAttnNorm = this.make('dAttnNorm', 'backAdd', [w.attn_wv, dV, dNormQK]);
    const dNormed = this.make('dNormed', 'add', [this.make('dNormedNorm', 'normBack', [normed, dAttnNorm]), dAttended]);
    const dEmbedded = this.make('dEmbedded', 'normBack', [embedded, dNormed]);

    this.pass('updateTokens', this.next.wte, [dEmbedded, dEmbedded, w.wte]);
    this.pass('updatePositions', this.next.wpe, [dEmbedded, dEmbedded, w.wpe]);
    for (const [name, gradient, input] of [
      ['lm_head', dLogits, residual], ['attn_wq', dQ, attnNorm], ['attn_wk', dK, attnNorm], ['attn_wv', dV, attnNorm],
      ['attn_wo', dAttended, mixed], ['mlp_fc1', dHidden, mlpNorm], ['mlp_fc2', dResidual, activated],
    ]) this.pass('update', this.next[name], [gradient, input, w[name]]);
    [this.now, this.next] = [this.next, this.now];
    this.step += 1;
    if (this.gl.isContextLost()) throw new Error('the graphics processor was taken away from this page');
    return this.read(loss)[0];
  }

  read({ frame, rows, columns }) {
    const pixels = new Float32Array(4 * rows * columns);
    this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, frame);
    this.gl.readPixels(0, 0, columns, rows, this.gl.RGBA, this.gl.FLOAT, pixels);
    return pixels;
  }

  /** All parameters as doubles; they have to be fetched. */
  get parameters() {
    const numbers = new Float64Array(this.matrices.at(-1).end);
    for (const { name, start, end } of this.matrices) {
      const pixels = this.read(this.now[name.replace('layer0.', '')]);
      for (let i = start; i < end; i++) numbers[i] = pixels[4 * (i - start)];
    }
    return numbers;
  }
}
