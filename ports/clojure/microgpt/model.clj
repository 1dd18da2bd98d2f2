(ns microgpt.model
  "The generator, the tokenizer, the model, its training and whole runs (SPEC, sections 3, 4 and 6 to 10)."
  (:require [microgpt.exact :as exact]
            [microgpt.graph :as g]))

(set! *warn-on-reflection* true)

(defn refuse
  "Says what cannot be done, and why."
  [reason]
  (throw (ex-info reason {::refused true})))

;; The Mersenne Twister (Matsumoto and Nishimura, 1998): an array of words, and an index and a kept value that change.

(def ^:const size 624)

(defn twister [words index kept]
  {:words (long-array words) :index (volatile! index) :kept (volatile! kept)})

(defn- word32 ^long [^long n] (bit-and n 0xffffffff))

(defn seeded [^long seed]
  (let [mt (long-array size)
        mixed (fn ^long [^long i] (bit-xor (aget mt i) (unsigned-bit-shift-right (aget mt i) 30)))
        stir! (fn [^long i ^long factor ^long plus]
                (aset mt i (word32 (+ (bit-xor (aget mt i) (* (long (mixed (dec i))) factor)) plus)))
                (when (== i (dec size)) (aset mt 0 (aget mt i))))]
    (aset mt 0 19650218)
    (doseq [^long i (range 1 size)]
      (aset mt i (word32 (+ (* 1812433253 (long (mixed (dec i)))) i))))
    (doseq [^long i (take size (cycle (range 1 size)))] (stir! i 1664525 seed))
    (doseq [^long i (take (dec size) (rest (cycle (range 1 size))))] (stir! i 1566083941 (- i)))
    (aset mt 0 0x80000000)
    (twister mt size nil)))

(defn- renew! [^longs mt]
  (dotimes [i size]
    (let [y (bit-or (bit-and (aget mt i) 0x80000000)
                    (bit-and (aget mt (rem (inc i) size)) 0x7fffffff))]
      (aset mt i (bit-xor (aget mt (rem (+ i 397) size))
                          (bit-shift-right y 1)
                          (if (odd? y) 0x9908b0df 0))))))

(defn word! ^long [{:keys [^longs words index]}]
  (when (== (long @index) size)
    (renew! words)
    (vreset! index 0))
  (let [y (aget words (long @index))
        y (bit-xor y (bit-shift-right y 11))
        y (bit-xor y (bit-and (bit-shift-left y 7) 0x9d2c5680))
        y (bit-xor y (bit-and (bit-shift-left y 15) 0xefc60000))]
    (vswap! index inc)
    (bit-xor y (bit-shift-right y 18))))

(defn random! ^double [twister]
  (let [a (bit-shift-right (word! twister) 5)
        b (bit-shift-right (word! twister) 6)]
    (/ (+ (* a 67108864.0) b) 9007199254740992.0)))

(defn gauss!
  "Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept."
  [{:keys [kept] :as twister} ^double sigma]
  (let [z @kept]
    (vreset! kept nil)
    (+ 0.0 (* sigma (double (or z
                                (let [angle (* (random! twister) (* 2.0 Math/PI))
                                      radius (Math/sqrt (* -2.0 (exact/log (- 1.0 (random! twister)))))]
                                  (vreset! kept (* (exact/sin angle) radius))
                                  (* (exact/cos angle) radius))))))))

(defn- below! [twister ^long n]
  (let [k (- 64 (Long/numberOfLeadingZeros n))]
    (first (filter #(< (long %) n) (repeatedly #(bit-shift-right (word! twister) (- 32 k)))))))

(defn shuffled! [twister items]
  (reduce (fn [items i]
            (let [j (below! twister (inc (long i)))]
              (assoc items i (items j) j (items i))))
          (vec items)
          (range (dec (count items)) 0 -1)))

(defn choice! [twister weights]
  (let [cumulative (double-array (reductions + weights))
        total (+ (aget cumulative (dec (alength cumulative))) 0.0)]
    (when-not (and (pos? total) (< total Double/POSITIVE_INFINITY))
      (refuse "expected weights that add up to a finite number above 0"))
    (let [u (* (random! twister) total)]
      (loop [low 0, high (dec (alength cumulative))]
        (let [middle (quot (+ low high) 2)]
          (cond (>= low high) low
                (< u (aget cumulative middle)) (recur low middle)
                :else (recur (inc middle) high)))))))

;; Lines, documents and samples are vectors of code points.

(defn- white-space? [^long c] (or (<= 9 c 13) (== c 32)))

(defn- stripped [line]
  (->> line (drop-while white-space?) reverse (drop-while white-space?) reverse vec))

(defn documents
  "The stripped lines that are not empty; there must be one."
  [lines]
  (or (seq (remove empty? (map stripped lines)))
      (refuse "the dataset has no documents: every line is empty")))

(defn tokenizer [documents]
  (let [characters (vec (into (sorted-set) cat documents))]
    (when (> (count characters) 2047) (refuse "the dataset has more than 2047 distinct characters"))
    {:characters characters
     :tokens (zipmap characters (range))
     :bos (count characters)}))

(defn encode [{:keys [tokens bos]} document] (-> [bos] (into (map tokens) document) (conj bos)))

(defn decode [{:keys [characters bos]} sample] (mapv characters (remove #{bos} sample)))

;; A shape has :layers, :heads, :embedding, :block, :vocabulary, :squared? and :attention, with the positions that each
;; one attends to.

(defn matrices
  "Name, rows and columns of every matrix, in order."
  [{:keys [layers embedding block vocabulary]}]
  (let [e embedding, four-e (* 4 (long e))]
    (into [["wte" vocabulary e] ["wpe" block e] ["lm_head" vocabulary e]]
          (for [i (range layers)
                [name rows columns] [["attn_wq" e e] ["attn_wk" e e] ["attn_wv" e e] ["attn_wo" e e]
                                     ["mlp_fc1" four-e e] ["mlp_fc2" e four-e]]]
            [(str "layer" i "." name) rows columns]))))

(defn model [shape values]
  (let [parameters (mapv g/leaf values)
        cut (fn [[rest weights] [name rows columns]]
              (let [[mine rest] (split-at (* (long rows) (long columns)) rest)]
                [rest (assoc weights name (mapv to-array (partition columns mine)))]))]
    {:shape shape
     :parameters parameters
     :weights (second (reduce cut [parameters {}] (matrices shape)))}))

(defn- linear [x rows]
  (let [xs (to-array x)] (mapv #(g/dot % xs) rows)))

(defn- normalized
  "x over its root mean square, without a gain (Zhang and Sennrich, 2019)."
  [x]
  (let [xs (to-array x)
        mean-square (g/scale (g/dot xs xs) (/ 1.0 (double (count x))))
        scale (g/pow (g/shift mean-square 0.00001) -0.5)]
    (mapv #(g/mul % scale) x)))

(defn- softmax [x]
  (let [top (double (reduce (fn [^double most ^double y] (if (> y most) y most)) (map g/value x)))
        exps (mapv #(g/exp (g/shift % (- top))) x)
        inverse (g/pow (g/sum exps) -1.0)]
    (mapv #(g/mul % (g/twin inverse)) exps)))

(defn- attend
  "Multi-head attention of the query to the keys and values; the heads' results side by side."
  [{:keys [heads embedding]} query keys values note]
  (let [size (quot (long embedding) (long heads))
        divisor (/ 1.0 (Math/sqrt size))]
    (into [] (mapcat
              (fn [head]
                (let [part #(subvec % (* size (long head)) (* size (inc (long head))))
                      told (fn [name x] (note (str "head" head "." name) x))
                      q (to-array (part query))
                      scores (told "scores" (mapv #(g/scale (g/dot q (to-array (part %))) divisor) keys))
                      weights (to-array (told "weights" (softmax scores)))]
                  (told "mixed" (apply mapv (fn [& column] (g/dot weights (to-array column))) (map part values))))))
          (range heads))))

(defn- layer
  "The result of layer i for x, and its cache with the keys and values of one more position."
  [{:keys [shape weights]} i positions x cache note]
  (let [told (fn [name x] (note (str "layer" i "." name) x))
        apply-matrix (fn [x name] (linear x (weights (str "layer" i "." name))))
        normed (told "attn_norm" (normalized x))
        query (told "q" (apply-matrix normed "attn_wq"))
        keys (conj (:keys cache) (told "k" (apply-matrix normed "attn_wk")))
        values (conj (:values cache) (told "v" (apply-matrix normed "attn_wv")))
        mixed (attend shape query (map keys positions) (map values positions) told)
        residual (->> (mapv g/add (told "attn_out" (apply-matrix mixed "attn_wo")) x) (told "attn_residual"))
        hidden (told "hidden" (apply-matrix (told "mlp_norm" (normalized residual)) "mlp_fc1"))
        activated (told "activated" (mapv #(cond-> (g/relu %) (:squared? shape) (g/pow 2.0)) hidden))
        out (told "mlp_out" (apply-matrix activated "mlp_fc2"))]
    [(told "mlp_residual" (mapv g/add out residual)) {:keys keys :values values}]))

(defn- logits
  "The logits for what follows the token at position t, and the caches with that position."
  [{:keys [shape weights] :as model} t token caches note]
  (let [positions (get-in shape [:attention t])
        embedded (note "embedded" (mapv g/add (get-in weights ["wte" token]) (get-in weights ["wpe" t])))
        [x caches] (reduce (fn [[x caches] [i cache]]
                             (let [[x cache] (layer model i positions x cache note)]
                               [x (conj caches cache)]))
                           [(note "normed" (normalized embedded)) []]
                           (map-indexed vector caches))]
    [(note "logits" (linear x (weights "lm_head"))) caches]))

(defn- empty-caches [{:keys [shape]}] (repeat (:layers shape) {:keys [] :values []}))

(defn loss
  "The mean over a document's positions of -log p(next token). The note is told name and nodes of every result."
  ([model tokens] (loss model tokens (fn [_ x] x)))
  ([{:keys [shape] :as model} tokens note]
   (let [n (min (long (:block shape)) (dec (count tokens)))
         losses (loop [t 0, caches (empty-caches model), losses []]
                  (if (== t n)
                    losses
                    (let [told (fn [name x] (note (str "pos" t "." name) x))
                          [x caches] (logits model t (tokens t) caches told)
                          probabilities (told "probabilities" (softmax x))
                          loss (g/neg (g/log (probabilities (tokens (inc t)))))]
                      (told "loss" [loss])
                      (recur (inc t) caches (conj losses loss)))))]
     (g/scale (g/sum losses) (/ 1.0 n)))))

(defn sample!
  "Draws one sample, BOS at its end included: the probabilities and the token of each draw."
  [{:keys [shape] :as model} ^double temperature twister]
  (let [bos (dec (long (:vocabulary shape)))]
    (loop [t 0, token bos, caches (empty-caches model), draws []]
      (if (or (== t (long (:block shape))) (and (pos? t) (== token bos)))
        draws
        (let [[x caches] (logits model t token caches (fn [_ x] x))
              probabilities (mapv g/value (softmax (mapv #(g/scale % (/ 1.0 temperature)) x)))
              token (long (choice! twister probabilities))]
          (recur (inc t) token caches (conj draws [probabilities token])))))))

(defn factors
  "The learning rate of a step of Adam (Kingma and Ba, 2015), and what m and v are divided by in it."
  [{:keys [learning-rate beta1 beta2 cosine? steps]} step]
  (let [s (double step), n (double steps)]
    [(if cosine?
       (* (double learning-rate) 0.5 (+ 1.0 (exact/cos (/ (* Math/PI s) n))))
       (* (double learning-rate) (- 1.0 (/ s n))))
     (- 1.0 (exact/pow beta1 (+ s 1.0)))
     (- 1.0 (exact/pow beta2 (+ s 1.0)))]))

(defn update! [{:keys [beta1 beta2 epsilon] :as adam} step parameters ^doubles m ^doubles v]
  (let [beta1 (double beta1), beta2 (double beta2), epsilon (double epsilon)
        [rate correction1 correction2] (factors adam step)
        rate (double rate), correction1 (double correction1), correction2 (double correction2)]
    (dotimes [i (alength m)]
      (let [p (nth parameters i)
            slope (g/gradient p)
            mi (+ (* beta1 (aget m i)) (* (- 1.0 beta1) slope))
            vi (+ (* beta2 (aget v i)) (* (- 1.0 beta2) (* slope slope)))
            root (exact/pow (/ vi correction2) 0.5)]
        (aset m i mi)
        (aset v i vi)
        (g/set-value! p (- (g/value p) (/ (* rate (/ mi correction1)) (+ root epsilon))))))))

(defn advance!
  "One step on one document; its loss before the update."
  [adam step {:keys [parameters] :as model} tokens m v]
  (run! #(g/set-gradient! % 0.0) parameters)
  (let [root (loss model tokens)]
    (g/backward! root)
    (update! adam step parameters m v)
    (g/value root)))

(def presets
  {"seed" {:block 8, :squared? true, :sigma 0.02, :output-sigma 0.0
           :adam {:learning-rate 0.01, :beta1 0.9, :beta2 0.95, :epsilon 1e-8, :cosine? true, :steps 500}}
   "classic" {:block 16, :squared? false, :sigma 0.08, :output-sigma 0.08
              :adam {:learning-rate 0.01, :beta1 0.85, :beta2 0.99, :epsilon 1e-8, :cosine? false, :steps 1000}}})

(defn- padded [n width] (str (apply str (repeat (- (long width) (count (str n))) \space)) n))

(defn whole-run!
  "A whole run, from seed 42 to samples. Hands each line to print, and returns the model, m, v and the generator."
  [{:keys [block squared? sigma output-sigma adam]} samples lines print]
  (let [say (fn [& parts] (print (mapv int (apply str parts))))
        twister (seeded 42)
        documents (shuffled! twister (documents lines))
        {:keys [bos] :as tokenizer} (tokenizer documents)
        shape {:layers 1, :heads 4, :embedding 16, :block block, :vocabulary (inc (long bos)), :squared? squared?
               :attention (mapv #(vec (range (inc (long %)))) (range block))}
        draw (fn [[name rows columns]]
               (let [sigma (if (re-find #"attn_wo|mlp_fc2" name) output-sigma sigma)]
                 (repeatedly (* (long rows) (long columns)) #(gauss! twister sigma))))
        model (model shape (into [] (mapcat draw) (matrices shape)))
        total (count (:parameters model))
        m (double-array total), v (double-array total)
        steps (:steps adam)]
    (say "num docs: " (count documents))
    (say "vocab size: " (:vocabulary shape))
    (say "num params: " total)
    (dotimes [step steps]
      (let [tokens (encode tokenizer (documents (rem step (count documents))))
            loss (exact/four-decimals (advance! adam step model tokens m v))]
        (say "step " (padded (inc step) 4) " / " (padded steps 4) " | loss " loss)))
    (say)
    (say "--- inference (new, hallucinated names) ---")
    (dotimes [i samples]
      (let [sample (map second (sample! model 0.5 twister))]
        (print (into (mapv int (str "sample " (padded (inc i) 2) ": ")) (decode tokenizer sample)))))
    [model m v twister]))
