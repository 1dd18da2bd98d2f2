(ns microgpt.main
  "microgpt in Clojure (conformance/SPEC.md). Without arguments it answers requests, with a function for each verb
  (section 12); `run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones."
  (:require [microgpt.exact :as exact]
            [microgpt.graph :as g]
            [microgpt.model :as m :refer [refuse]]
            [microgpt.protocol :refer :all])
  (:import (java.io BufferedInputStream ByteArrayOutputStream)
           (java.nio ByteBuffer)
           (java.nio.charset CharacterCodingException StandardCharsets))
  (:gen-class))

(set! *warn-on-reflection* true)

(defn- operation [key x]
  (let [n (count x), [a b c] (map double x)]
    (cond
      (and (= key "sum") (pos? n)) (reduce + 0.0 x)
      (and (= key "dot") (pos? n) (even? n)) (reduce (fn [total [x y]] (+ total (* x y))) 0.0 (partition 2 x))
      :else
      (case [key n]
        ["add" 2] (+ a b)
        ["sub" 2] (- a b)
        ["mul" 2] (* a b)
        ["div" 2] (/ (double a) (double b)) ; boxed, a division by zero would raise
        ["sqrt" 1] (Math/sqrt a)
        ["muladd" 3] (+ (* a b) c)
        (refuse "expected an operation with its operands")))))

(defn- decimals [^double x]
  (when (and (not (Double/isInfinite x)) (> (Math/abs x) 9007199254740992.0)) (refuse "expected a number up to 2^53"))
  (map int (exact/four-decimals x)))

(defn- arith [request reply]
  (each-line! request (fn [key values]
                        (let [x (mapv real values)]
                          (put! reply key (if (= [key (count x)] ["decimals" 1])
                                            (decimals (x 0))
                                            [(operation key x)]))))))

(defn- angle [^double x] (if (> (Math/abs x) 8.0) (refuse "expected an angle up to 8") x))

(defn- exponent [^double y ^double limit]
  (if (and (<= (Math/abs y) limit) (== (* 2.0 y) (Math/rint (* 2.0 y))))
    y
    (refuse (str "expected an integer or half-integer up to " limit))))

(defn- math [request reply]
  (math! request)
  (each-line! request (fn [key values]
                        (let [[x y :as all] (map real values)
                              result (case [key (count all)]
                                       ["exp" 1] (exact/exp x)
                                       ["log" 1] (exact/log x)
                                       ["sin" 1] (exact/sin (angle x))
                                       ["cos" 1] (exact/cos (angle x))
                                       ["pow" 2] (exact/pow x (exponent y 4096.0))
                                       (refuse "expected a function with its arguments"))]
                          (put! reply key [result])))))

(defn- random [request reply]
  (math! request)
  (let [twister (m/seeded (take-integer! request "seed" 0 0xffffffff))]
    (each-line!
     request
     (fn [key [n x :as values]]
       (let [draws (fn [draw] (put! reply key (doall (repeatedly (integer 0 1000 n) draw))))
             most-weights 1000]
         (if (and (= key "choices") (<= 2 (count values) (inc most-weights)))
           (let [weights (mapv real (rest values))]
             (draws #(m/choice! twister weights)))
           (case [key (count values)]
             ["words" 1] (draws #(m/word! twister))
             ["random" 1] (draws #(m/random! twister))
             ["gauss" 2] (let [sigma (real x)] (draws #(m/gauss! twister sigma)))
             ["shuffle" 1] (put! reply key (m/shuffled! twister (range (integer 0 10000 n))))
             ["state" 0] (do (put! reply key (cons @(:index twister) (:words twister)))
                             (put! reply "kept" [(or @(:kept twister) "none")]))
             (refuse "expected something to draw with its values"))))))))

(defn- dataset! [request]
  (let [lines (mapv #(integers 0 0x10ffff %) (take-all! request "line"))]
    (finish! request)
    (when (some #(> (count %) 10000) lines) (refuse "expected at most 10000 code points in a line"))
    (when (some #(<= 0xd800 (long %) 0xdfff) (eduction cat lines)) (refuse "expected no surrogates"))
    lines))

(defn- tokens [request reply]
  (let [documents (m/documents (dataset! request))
        tokenizer (m/tokenizer documents)]
    (put! reply "documents" [(count documents)])
    (put! reply "vocabulary" (:characters tokenizer))
    (put! reply "bos" [(:bos tokenizer)])
    (doseq [document documents] (put! reply "encoded" (m/encode tokenizer document)))))

(defn- expression [nodes [key & [x y :as operands]]]
  (let [node #(nodes (integer 0 (dec (count nodes)) %))]
    (if (and (= key "sum") operands)
      (g/chained (map node operands))
      (case [key (count operands)]
        ["leaf" 1] (g/leaf (real x))
        ["add" 2] (g/add (node x) (node y))
        ["sub" 2] (g/add (node x) (g/neg (node y)))
        ["mul" 2] (g/mul (node x) (node y))
        ["div" 2] (g/div (node x) (node y))
        ["neg" 1] (g/neg (node x))
        ["exp" 1] (g/exp (node x))
        ["log" 1] (g/log (node x))
        ["relu" 1] (g/relu (node x))
        ["pow" 2] (g/pow (node x) (exponent (real y) 1024.0))
        ["add_number" 2] (g/shift (node x) (real y))
        ["sub_number" 2] (g/shift (node x) (- (double (real y))))
        ["mul_number" 2] (g/scale (node x) (real y))
        ["div_number" 2] (g/scale (node x) (/ 1.0 (double (real y))))
        ["number_sub" 2] (g/shift (g/neg (node y)) (real x))
        ["number_div" 2] (g/scale (g/pow (node y) -1.0) (real x))
        (refuse "expected an expression with its operands")))))

(defn- graph [request reply]
  (math! request)
  (let [nodes (loop [nodes []]
                (if (has? request "root") nodes (recur (conj nodes (expression nodes (next-line! request))))))
        root (nodes (take-integer! request "root" 0 (dec (count nodes))))]
    (finish! request)
    (g/backward! root)
    (doseq [node nodes] (put! reply "value" [(g/value node)]))
    (doseq [node nodes] (put! reply "gradient" [(g/gradient node)]))))

(defn- increasing? [numbers] (or (empty? numbers) (apply < numbers)))

(defn- attend! [request t]
  (let [positions (integers 0 t (take! request "attend"))]
    (when-not (and (= (peek positions) t) (increasing? positions))
      (refuse (str "expected increasing positions with " t " as the last")))
    positions))

(defn- shape! [request]
  (math! request)
  (let [layers (take-integer! request "layers" 1 16)
        heads (take-integer! request "heads" 1 64)
        embedding (take-integer! request "embedding" 1 512)
        block (take-integer! request "block" 1 1024)
        vocabulary (take-integer! request "vocabulary" 2 2048)
        squared? (take-choice! request "activation" {"relu" false, "squared_relu" true})]
    (when (pos? (rem (long embedding) (long heads))) (refuse "expected a multiple of heads as embedding"))
    {:layers layers, :heads heads, :embedding embedding, :block block, :vocabulary vocabulary, :squared? squared?
     :attention (mapv #(attend! request %) (range block))}))

(defn- document [shape words]
  (when (< (count words) 2) (refuse "expected two tokens or more"))
  (integers 0 (dec (long (:vocabulary shape))) words))

(defn- model-and-document! [request]
  (let [shape (shape! request)
        document (document shape (take! request "tokens"))
        model (m/model shape (tensors! request shape ""))]
    (finish! request)
    [model document]))

(defn- forward [request reply]
  (let [[model document] (model-and-document! request)
        note (fn [name nodes]
               (put-tensor! reply name 1 (count nodes) (map g/value nodes))
               nodes)]
    (put! reply "loss" [(g/value (m/loss model document note))])))

(defn- backward [request reply]
  (let [[model document] (model-and-document! request)
        loss (m/loss model document)]
    (g/backward! loss)
    (put! reply "loss" [(g/value loss)])
    (put-tensors! reply "" (:shape model) (map g/gradient (:parameters model)))))

(defn- settings! [request]
  (let [[learning-rate beta1 beta2 epsilon] (mapv #(take-real! request %) ["learning_rate" "beta1" "beta2" "epsilon"])
        cosine? (take-choice! request "schedule" {"linear" false, "cosine" true})]
    {:learning-rate learning-rate, :beta1 beta1, :beta2 beta2, :epsilon epsilon, :cosine? cosine?
     :steps (take-integer! request "steps" 1 4096)}))

(defn- adam [request reply]
  (math! request)
  (let [adam (settings! request)
        step (take-integer! request "step" 0 (dec (long (:steps adam))))
        [name rows columns values] (tensor! request)
        parameters (mapv g/leaf values)
        [gradients m v] (mapv #(double-array (named-tensor! request % rows columns)) ["gradients" "m" "v"])]
    (when-not (= name "parameters") (refuse "expected the tensor parameters"))
    (finish! request)
    (run! true? (map g/set-gradient! parameters gradients))
    (m/update! adam step parameters m v)
    (dorun (map #(put! reply %1 [%2]) ["rate" "correction1" "correction2"] (m/factors adam step)))
    (doseq [[name values] [["m" m] ["v" v] ["parameters" (map g/value parameters)]]]
      (put-tensor! reply name rows columns values))))

(defn- train [request reply]
  (let [shape (shape! request)
        adam (settings! request)
        from (long (take-integer! request "from" 0 (dec (long (:steps adam)))))
        end (+ from (long (take-integer! request "count" 1 (- (long (:steps adam)) from))))
        full (integers from (dec end) (take! request "full"))
        documents (mapv #(document shape %) (take-all! request "tokens"))
        {:keys [parameters] :as model} (m/model shape (tensors! request shape ""))
        [m v] (mapv #(double-array (if (pos? from) (tensors! request shape %) (count parameters))) ["m." "v."])]
    (when-not (increasing? full) (refuse "expected increasing steps in full"))
    (finish! request)
    (doseq [^long step (range from end)]
      (let [loss (m/advance! adam step model (documents (rem step (count documents))) m v)
            parts [["gradients" (map g/gradient parameters)] ["m" m] ["v" v] ["parameters" (map g/value parameters)]]]
        (put! reply "step" [step])
        (put! reply "loss" [loss])
        (doseq [[name values] parts] (put-checksum! reply name values))
        (when (some #{step} full)
          (doseq [[name values] parts] (put-tensors! reply (str name ".") shape values)))))))

(defn- sample [request reply]
  (let [shape (shape! request)
        temperature (take-real! request "temperature")
        samples (take-integer! request "samples" 0 1000)
        model (m/model shape (tensors! request shape ""))
        [index & words] (take! request "state" (inc m/size))
        kept (first (take! request "kept" 1))
        twister (m/twister (integers 0 0xffffffff words) (integer 0 m/size index) (when-not (= kept "none") (real kept)))]
    (finish! request)
    (dotimes [i samples]
      (put! reply "sample" [i])
      (doseq [[probabilities token] (m/sample! model temperature twister)]
        (put! reply "probabilities" probabilities)
        (put! reply "token" [token])))
    (put! reply "word" [(m/word! twister)])))

(defn- run [request reply]
  (math! request)
  (let [preset (take-choice! request "preset" m/presets)
        steps (take-integer! request "steps" 1 4096)
        samples (take-integer! request "samples" 0 1000)
        print #(put! reply "print" %)
        [model m v twister] (m/whole-run! (assoc-in preset [:adam :steps] steps) samples (dataset! request) print)]
    (put-checksum! reply "parameters" (map g/value (:parameters model)))
    (put-checksum! reply "m" m)
    (put-checksum! reply "v" v)
    (put! reply "word" [(m/word! twister)])))

(declare hello)

(def ^:private verbs
  [["hello" #'hello] ["arith" arith] ["math" math] ["random" random] ["tokens" tokens] ["graph" graph]
   ["forward" forward] ["backward" backward] ["adam" adam] ["train" train] ["sample" sample] ["run" run]])

(defn- hello [request reply]
  (finish! request)
  (put! reply "name" ["clojure"])
  (put! reply "protocol" [1])
  (put! reply "verbs" (map first verbs))
  (put! reply "math" ["exact"]))

(defn- answer
  "The reply, which is complete before it is written: a request can turn out to be wrong at its last line."
  [[^String header & lines] complete?]
  (if-let [[_ verb id] (and header
                            (<= (.length header) (long longest-line))
                            (re-matches #"([!-~]+) ([A-Za-z0-9._-]{1,64})" header))]
    (try
      (when-not complete? (refuse "the input ended before the line end"))
      (let [reply (StringBuilder.)
            answer-verb (get (into {} verbs) verb)]
        (when-not answer-verb (refuse "unsupported"))
        (answer-verb (request lines) reply)
        (str "ok " id "\n" reply "end\n"))
      (catch clojure.lang.ExceptionInfo refusal
        (str "error " id " " (ex-message refusal) "\nend\n")))
    "error - expected a verb and an id\nend\n"))

(defn- lines
  "The lines of the input, lazily, as arrays of bytes. Only LF ends a line."
  [^BufferedInputStream input]
  (lazy-seq
   (let [line (ByteArrayOutputStream.)]
     (loop [byte (.read input)]
       (cond (== byte 10) (cons (.toByteArray line) (lines input))
             (not (neg? byte)) (do (.write line byte) (recur (.read input)))
             (pos? (.size line)) (list (.toByteArray line)))))))

(defn- send! [^String text]
  (.write System/out (.getBytes text StandardCharsets/UTF_8))
  (.flush System/out))

(defn- serve [input]
  (let [rest (reduce (fn [request ^bytes bytes]
                       (let [line (String. bytes StandardCharsets/ISO_8859_1)]
                         (if (= line "end")
                           (do (send! (answer request true)) [])
                           (conj request line))))
                     []
                     (lines input))]
    (when (seq rest) (send! (answer rest false)))))

(defn- decoded [^bytes line]
  (-> (.newDecoder StandardCharsets/UTF_8) (.decode (ByteBuffer/wrap line)) .codePoints .toArray vec))

(defn- run-for-people [preset input]
  (let [steps-and-samples (m/presets preset)
        print (fn [line] (send! (str (String. (int-array line) 0 (count line)) "\n")))]
    (m/whole-run! steps-and-samples 20 (mapv decoded (lines input)) print)))

(defn -main [& [command preset & more]]
  (let [input (BufferedInputStream. System/in)
        preset (or preset "seed")
        complain (fn [problem]
                   (binding [*out* *err*] (println (str "microgpt: " problem)))
                   (System/exit 1))]
    (try
      (cond (nil? command) (serve input)
            (and (= command "run") (m/presets preset) (nil? more)) (run-for-people preset input)
            :else (complain "usage: microgpt, or microgpt run [seed|classic] < names.txt"))
      (catch clojure.lang.ExceptionInfo refusal (complain (ex-message refusal)))
      (catch CharacterCodingException _ (complain "the input is not UTF-8")))))
