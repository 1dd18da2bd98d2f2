;;; A procedure for each verb, the session that asks them, and the command for people.

(import (chezscheme) (exact) (graph) (model) (protocol))

(define (take-math)
  (unless (take-one "math" (one-of '(["exact" . #t] ["native" . #f])))
    (refuse "unsupported")))

(define (hello)
  (finish)
  (put "name" "scheme")
  (put "protocol" 1)
  (put "verbs" (map car verbs))
  (put "math" "exact"))

(define (arith)
  (each-line
    [("add" x y) (put "add" (fl+ (double x) (double y)))]
    [("sub" x y) (put "sub" (fl- (double x) (double y)))]
    [("mul" x y) (put "mul" (fl* (double x) (double y)))]
    [("div" x y) (put "div" (fl/ (double x) (double y)))]
    [("sqrt" x) (put "sqrt" (flsqrt (double x)))]
    [("muladd" x y z) (put "muladd" (fl+ (fl* (double x) (double y)) (double z)))]
    [("sum" x . xs) (put "sum" (fold-left fl+ 0.0 (map double (cons x xs))))]
    [("dot" x y . more)
     (let loop ([sum 0.0] [xs (map double (cons* x y more))])
       (cond
         [(null? xs) (put "dot" sum)]
         [(null? (cdr xs)) (refuse "dot takes pairs")]
         [else (loop (fl+ sum (fl* (car xs) (cadr xs))) (cddr xs))]))]
    [("decimals" x)
     (let ([x (double x)])
       (when (fl< (expt 2.0 53) (flabs x) infinity)
         (refuse "decimals takes |x| up to 2^53"))
       (put "decimals" (code-points (decimals x))))]))

(define (code-points text) (map char->integer (string->list text)))

(define (math)
  (define (angle word)
    (let ([x (double word)])
      (if (fl> (flabs x) 8.0) (refuse "sin and cos take |x| up to 8") x)))
  (take-math)
  (each-line
    [("exp" x) (put "exp" (exact-exp (double x)))]
    [("log" x) (put "log" (exact-log (double x)))]
    [("sin" x) (put "sin" (exact-sin (angle x)))]
    [("cos" x) (put "cos" (exact-cos (angle x)))]
    [("pow" x y) (put "pow" (exact-pow (double x) (exponent y 4096.0)))]))

(define (random-numbers)
  (define count (whole 0 1000))
  (define (draws n draw) (tabulate (count n) (lambda (i) (draw))))
  (take-math)
  (let ([g (seeded-generator (take-one "seed" (whole 0 #xffffffff)))])
    (each-line
      [("words" n) (put "words" (draws n (lambda () (random-word g))))]
      [("random" n) (put "random" (draws n (lambda () (random-double g))))]
      [("gauss" n sigma)
       (let ([sigma (double sigma)])
         (put "gauss" (draws n (lambda () (gauss g sigma)))))]
      [("shuffle" n)
       (let ([items (list->vector (iota ((whole 0 10000) n)))])
         (shuffle! g items)
         (put "shuffle" items))]
      [("choices" n weight . weights)
       (let ([weights (list->vector (map double (cons weight weights)))])
         (when (> (vector-length weights) 1000)
           (refuse "choices takes up to 1000 weights"))
         (put "choices" (draws n (lambda () (choice g weights)))))]
      [("state")
       (put "state" (generator-index g) (generator-words g))
       (put "kept" (or (generator-kept g) "none"))])))

(define (take-dataset)
  (define (line points)
    (when (> (length points) 10000)
      (refuse "a line of text has up to 10000 code points"))
    (map code-point points))
  (let ([dataset (take-while "line" line)])
    (finish)
    dataset))

(define (tokens)
  (let* ([documents (documents-of (take-dataset))]
         [vocabulary (vocabulary-of documents)])
    (put "documents" (vector-length documents))
    (put "vocabulary" (vector-map char->integer vocabulary))
    (put "bos" (vector-length vocabulary))
    (vector-for-each (lambda (document) (put "encoded" (encode vocabulary document))) documents)))

(define (graph)
  (take-math)
  (let ([expressions (make-vector (length (lines)))])
    (define (read-all count)
      (define (node word) (vector-ref expressions ((whole 0 (- count 1)) word)))
      (define (new node)
        (vector-set! expressions count node)
        (read-all (+ count 1)))
      (line-case
        [("leaf" x) (new (leaf (double x)))]
        [("add" a b) (new (add (node a) (node b)))]
        [("sub" a b) (new (add (node a) (neg (node b))))]
        [("mul" a b) (new (mul (node a) (node b)))]
        [("div" a b) (new (mul (node a) (node-pow (node b) -1.0)))]
        [("sum" a . bs) (new (fold-left add (shift (node a) 0.0) (map node bs)))]
        [("neg" a) (new (neg (node a)))]
        [("exp" a) (new (node-exp (node a)))]
        [("log" a) (new (node-log (node a)))]
        [("relu" a) (new (relu (node a)))]
        [("pow" a c) (new (node-pow (node a) (exponent c 1024.0)))]
        [("add_number" a c) (new (shift (node a) (double c)))]
        [("sub_number" a c) (new (shift (node a) (fl- (double c))))]
        [("mul_number" a c) (new (scale (node a) (double c)))]
        [("div_number" a c) (new (divided (node a) (double c)))]
        [("number_sub" c a) (new (shift (neg (node a)) (double c)))]
        [("number_div" c a) (new (scale (node-pow (node a) -1.0) (double c)))]
        [("root" a)
         (let ([root (node a)])
           (finish)
           (backward root)
           count)]))
    (let ([count (read-all 0)])
      (define (put-all key part)
        (do ([i 0 (+ i 1)])
            ((= i count))
          (put key (part (vector-ref expressions i)))))
      (put-all "value" node-value)
      (put-all "gradient" node-gradient))))

(define (increasing? integers) (or (null? integers) (apply < integers)))

(define (take-shape)
  (take-math)
  (let* ([layers (take-one "layers" (whole 1 16))]
         [heads (take-one "heads" (whole 1 64))]
         [embedding (take-one "embedding" (whole 1 512))]
         [block (take-one "block" (whole 1 1024))]
         [vocabulary (take-one "vocabulary" (whole 2 2048))]
         [squared? (take-one "activation" (one-of '(["relu" . #f] ["squared_relu" . #t])))])
    (define (attention position)
      (let ([attended (map (whole 0 position) (take "attend"))])
        (unless (and (increasing? attended) (memv position attended))
          (refuse "position ~d must attend to increasing positions, itself the last" position))
        (list->vector attended)))
    (unless (zero? (mod embedding heads))
      (refuse "embedding must be a multiple of heads"))
    (make-shape layers heads embedding block vocabulary squared? (tabulate block attention))))

;; A reader of documents.
(define (document shape)
  (lambda (values)
    (when (or (null? values) (null? (cdr values)))
      (refuse "a document has two or more tokens"))
    (list->vector (map (whole 0 (- (shape-vocabulary shape) 1)) values))))

(define (take-model-and-document)
  (let* ([shape (take-shape)]
         [document ((document shape) (take "tokens"))]
         [model (make-model shape (take-matrices shape ""))])
    (finish)
    (values shape model document)))

(define (forward)
  (define (put-activation place name nodes)
    (define place-name (apply string-append (map (lambda (part i) (format "~a~d." part i))
                                                 (list-head '("pos" "layer" "head") (length place))
                                                 place)))
    (put-tensor (string-append place-name name) (vector-map node-value nodes) 1 (vector-length nodes)))
  (let-values ([(shape model document) (take-model-and-document)])
    (put "loss" (node-value (document-loss model document put-activation)))))

(define (gradients model) (vector-map node-gradient (model-nodes model)))
(define (parameters model) (vector-map node-value (model-nodes model)))

(define (backward-pass)
  (let*-values ([(shape model document) (take-model-and-document)]
                [(loss) (document-loss model document)])
    (backward loss)
    (put "loss" (node-value loss))
    (put-matrices shape "" (gradients model))))

(define (take-settings)
  (let* ([learning-rate (take-one "learning_rate" double)]
         [beta1 (take-one "beta1" double)]
         [beta2 (take-one "beta2" double)]
         [epsilon (take-one "epsilon" double)]
         [schedule (take-one "schedule" (one-of '(["linear" . linear] ["cosine" . cosine])))])
    (make-settings learning-rate beta1 beta2 epsilon schedule (take-one "steps" (whole 1 4096)))))

(define (adam)
  (take-math)
  (let* ([settings (take-settings)]
         [step (take-one "step" (whole 0 (- (settings-steps settings) 1)))]
         [parameters (take-tensor "parameters" #f #f)]
         [rows (vector-length parameters)]
         [columns (vector-length (vector-ref parameters 0))]
         [flat (lambda (tensor) (join (vector->list tensor)))]
         [gradients (flat (take-tensor "gradients" rows columns))]
         [m (flat (take-tensor "m" rows columns))]
         [v (flat (take-tensor "v" rows columns))]
         [nodes (vector-map leaf (flat parameters))])
    (finish)
    (vector-for-each node-gradient-set! nodes gradients)
    (update! settings step nodes m v)
    (for-each put '("rate" "correction1" "correction2") (call-with-values (lambda () (rates settings step)) list))
    (put-tensor "m" m rows columns)
    (put-tensor "v" v rows columns)
    (put-tensor "parameters" (vector-map node-value nodes) rows columns)))

(define (train)
  (let* ([shape (take-shape)]
         [settings (take-settings)]
         [from (take-one "from" (whole 0 (- (settings-steps settings) 1)))]
         [end (+ from (take-one "count" (whole 1 (- (settings-steps settings) from))))]
         [full (map (whole from (- end 1)) (take "full"))]
         [documents (list->vector (take-while "tokens" (document shape)))]
         [model (make-model shape (take-matrices shape ""))]
         [count (vector-length (model-nodes model))]
         [moments (lambda (prefix) (if (zero? from) (make-vector count 0.0) (take-matrices shape prefix)))]
         [m (moments "m.")]
         [v (moments "v.")])
    (unless (increasing? full)
      (refuse "the steps of full must increase"))
    (when (zero? (vector-length documents))
      (refuse "expected a line tokens"))
    (finish)
    (do ([step from (+ step 1)])
        ((= step end))
      (let* ([document (vector-ref documents (mod step (vector-length documents)))]
             [loss (train-step! model settings step document m v)]
             [names '("gradients" "m" "v" "parameters")]
             [all (list (gradients model) m v (parameters model))])
        (put "step" step)
        (put "loss" loss)
        (for-each put-checksum names all)
        (when (memv step full)
          (for-each (lambda (name doubles) (put-matrices shape (string-append name ".") doubles)) names all))))))

(define (sample-verb)
  (let* ([shape (take-shape)]
         [temperature (take-one "temperature" double)]
         [samples (take-one "samples" (whole 0 1000))]
         [model (make-model shape (take-matrices shape ""))]
         [state (take "state")])
    (unless (= (length state) 625)
      (refuse "state takes an index and 624 words"))
    (let* ([index ((whole 0 624) (car state))]
           [words (list->vector (map (whole 0 #xffffffff) (cdr state)))]
           [kept (take-one "kept" (lambda (word) (if (string=? word "none") #f (double word))))]
           [g (make-generator words index kept)])
      (finish)
      (do ([number 0 (+ number 1)])
          ((= number samples))
        (put "sample" number)
        (sample model temperature g
          (lambda (probabilities token)
            (put "probabilities" probabilities)
            (put "token" token))))
      (put "word" (random-word g)))))

(define (whole-run)
  (take-math)
  (let* ([preset (take-one "preset" (one-of presets))]
         [steps (take-one "steps" (whole 1 4096))]
         [samples (take-one "samples" (whole 0 1000))]
         [lines (take-dataset)])
    (let-values ([(model m v g) (run preset steps samples lines (lambda (line) (put "print" (code-points line))))])
      (put-checksum "parameters" (parameters model))
      (put-checksum "m" m)
      (put-checksum "v" v)
      (put "word" (random-word g)))))

(define verbs
  `(["hello" . ,hello] ["arith" . ,arith] ["math" . ,math] ["random" . ,random-numbers] ["tokens" . ,tokens]
    ["graph" . ,graph] ["forward" . ,forward] ["backward" . ,backward-pass] ["adam" . ,adam] ["train" . ,train]
    ["sample" . ,sample-verb] ["run" . ,whole-run]))

;; Verb and id of a request's first line, or two #f.
(define (header line)
  (define (verb-character? c) (char<=? #\! c #\~))
  (define (id-character? c)
    (or (char<=? #\a c #\z) (char<=? #\A c #\Z) (char<=? #\0 c #\9) (memv c '(#\. #\_ #\-))))
  (let-values ([(verb id) (partition-at #\space (string->list line))])
    (if (and (<= (string-length line) longest)
             (pair? verb) (for-all verb-character? verb)
             (<= 1 (length id) 64) (for-all id-character? id))
        (values (list->string verb) (list->string id))
        (values #f #f))))

;; What stands before the first such item, and what stands after it.
(define (partition-at item items)
  (let* ([rest (or (memv item items) '())]
         [before (list-head items (- (length items) (length rest)))])
    (values before (if (null? rest) '() (cdr rest)))))

;; The reply to one request without its end.
(define (answer request complete?)
  (let-values ([(verb id) (header (if (null? request) "" (car request)))])
    (if verb
        (guard (reason [(string? reason) (format "error ~a ~a\n" id reason)])
          (unless complete?
            (refuse "the input ended before the line end"))
          (let ([procedure (cdr (or (assoc verb verbs) (refuse "unsupported")))])
            (with-output-to-string
              (lambda ()
                (put "ok" id)
                (parameterize ([lines (cdr request)]) (procedure))))))
        "error - expected a verb and an id\n")))

(define (serve in out)
  (define (send request complete?)
    (put-string out (answer (reverse request) complete?))
    (put-string out "end\n")
    (flush-output-port out))
  (let loop ([request '()])
    (let ([line (get-line in)])
      (cond
        [(not (eof-object? line))
         (if (string=? line "end")
             (begin (send request #t) (loop '()))
             (loop (cons line request)))]
        [(pair? request) (send request #f)]))))

(define (command preset in out)
  (define (read-lines lines)
    (let ([line (guard (_ [(i/o-decoding-error? _) (refuse "the input is not UTF-8")])
                  (get-line in))])
      (if (eof-object? line)
          (reverse lines)
          (read-lines (cons (string->list line) lines)))))
  (run preset #f 20 (read-lines '())
    (lambda (line)
      (put-string out line)
      (newline out)
      (flush-output-port out))))

(define (main arguments)
  (define (encoded codec) (make-transcoder codec (eol-style none) (error-handling-mode raise)))
  (define (input codec) (standard-input-port (buffer-mode block) (encoded codec)))
  (define (output codec) (standard-output-port (buffer-mode block) (encoded codec)))
  (cond
    [(null? arguments) (serve (input (latin-1-codec)) (output (latin-1-codec)))]
    [(and (string=? (car arguments) "run") (<= (length arguments) 2))
     (let ([preset ((one-of presets) (if (null? (cdr arguments)) "seed" (cadr arguments)))])
       (command preset (input (utf-8-codec)) (output (utf-8-codec))))]
    [else (refuse "usage: microgpt [run [seed|classic]]")]))

(guard (reason
        [(string? reason)
         (format (console-error-port) "~a\n" reason)
         (exit 1)])
  (main (cdr (command-line))))
