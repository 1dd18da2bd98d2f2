!> The verbs (SPEC, section 12), each from the request to the reply, and the command line.
module verbs
  use, intrinsic :: iso_fortran_env, only: dp => real64, int64
  use exact
  use gpt
  use protocol
  use tape
  use twister
  implicit none
  private
  public :: answer_requests, run_preset

  character(*), parameter :: names = 'hello arith math random tokens graph forward backward adam train sample run'
  integer(int64), parameter :: greatest_word = 4294967295_int64

contains

  !> The reply is known before it is sent, since a request can be wrong at its last line.
  subroutine answer_requests()
    character(:), allocatable :: verb
    do while (read_request(verb))
      call answer(verb)
      if (.not. at_end() .or. has_more()) call raise('expected end')
      if (failed()) then
        call send('error ' // id // ' ' // problem // new_line('a') // 'end')
      else
        call send('ok ' // id // new_line('a') // reply(:reply_length) // 'end')
      end if
    end do
  end subroutine

  subroutine answer(verb)
    character(*), intent(in) :: verb
    select case (verb)
    case ('hello'); call hello()
    case ('arith'); call arith()
    case ('math'); call math()
    case ('random'); call random_verb()
    case ('tokens'); call tokens()
    case ('graph'); call graph()
    case ('forward'); call forward()
    case ('backward'); call backward_verb()
    case ('adam'); call adam_verb()
    case ('train'); call train_verb()
    case ('sample'); call sample()
    case ('run'); call run_verb()
    case default; call raise('unsupported')
    end select
  end subroutine

  subroutine hello()
    call line('name fortran')
    call line('protocol 1')
    call line('verbs ' // names)
    call line('math exact')
  end subroutine

  subroutine put_text(key, text, points)
    character(*), intent(in) :: key, text
    integer, intent(in) :: points(:)
    integer :: i
    call put(key, [(iachar(text(i:i)), i = 1, len(text)), points])
  end subroutine

  subroutine arith()
    character(:), allocatable :: key
    real(dp), allocatable :: x(:)
    real(dp) :: y
    integer :: wanted
    do
      key = take_key()
      x = doubles()
      wanted = 2
      if (key == 'sqrt' .or. key == 'decimals') wanted = 1
      if (key == 'muladd') wanted = 3
      if (key == 'sum') wanted = max(1, size(x))
      if (key == 'dot') wanted = 2 * max(1, size(x) / 2)
      if (size(x) /= wanted) call raise('a wrong count of values')
      if (failed()) return
      select case (key)
      case ('add'); y = x(1) + x(2)
      case ('sub'); y = x(1) - x(2)
      case ('mul'); y = x(1) * x(2)
      case ('div'); y = x(1) / x(2)
      case ('sqrt'); y = sqrt(x(1))
      case ('muladd'); y = x(1) * x(2) + x(3)
      case ('sum'); y = sum(x)
      case ('dot'); y = dot_product(x(1::2), x(2::2))
      case ('decimals')
        if (abs(x(1)) > 2.0_dp**53 .and. abs(x(1)) <= huge(x)) call raise('a number is at most 2**53')
        call put_text(key, decimals(x(1)), [integer ::])
      case default; call raise('expected another key')
      end select
      if (key /= 'decimals') call put(key, y)
      if (at_end()) exit
    end do
  end subroutine

  !> A double that must be an integer or half-integer.
  real(dp) function exponent_up_to(limit) result(c)
    real(dp), intent(in) :: limit
    c = double()
    if (.not. (abs(c) <= limit)) call raise('an exponent is too large')
    if (aint(2.0_dp * c) /= 2.0_dp * c) call raise('an exponent is an integer or half-integer')
    if (failed()) c = 0.0_dp
  end function

  subroutine math()
    character(:), allocatable :: key
    real(dp) :: x
    call take_math()
    do
      key = take_key()
      x = double()
      if ((key == 'sin' .or. key == 'cos') .and. abs(x) > 8.0_dp) call raise('an angle is at most 8')
      if (failed()) return
      select case (key)
      case ('exp'); x = exact_exp(x)
      case ('log'); x = exact_log(x)
      case ('sin'); x = exact_sin(x)
      case ('cos'); x = exact_cos(x)
      case ('pow'); x = exact_pow(x, exponent_up_to(4096.0_dp))
      case default; call raise('expected another key')
      end select
      call put(key, x)
      if (at_end()) exit
    end do
  end subroutine

  subroutine random_verb()
    character(:), allocatable :: key
    real(dp), allocatable :: weights(:)
    integer :: i, n
    call take_math()
    call take('seed')
    call seed(whole(0_int64, greatest_word))
    do
      key = take_key()
      n = 0
      if (key /= 'state') n = int(whole(0_int64, merge(10000_int64, 1000_int64, key == 'shuffle')))
      if (key == 'gauss' .or. key == 'choices') weights = [double(), doubles()]
      if (key == 'gauss' .and. .not. failed()) n = merge(n, -1, size(weights) == 1)
      if (key == 'choices' .and. .not. failed()) n = merge(n, -1, size(weights) <= 1000)
      if (n < 0) call raise('a wrong count of values')
      if (failed()) return
      select case (key)
      case ('words'); call put(key, [(next_word(), i = 1, n)])
      case ('random'); call put(key, [(random(), i = 1, n)])
      case ('gauss'); call put(key, [(gauss(weights(1)), i = 1, n)])
      case ('shuffle'); call put(key, shuffled(n))
      case ('choices'); call put(key, [(choice(weights), i = 1, n)])
      case ('state')
        call put(key, [int(place, int64), words])
        if (has_kept) call put('kept', kept)
        if (.not. has_kept) call line('kept none')
      case default; call raise('expected another key')
      end select
      if (at_end()) exit
    end do
  end subroutine

  !> The documents of the last lines.
  function dataset() result(documents)
    type(list_type), allocatable :: documents(:)
    integer, allocatable :: points(:)
    integer :: count
    allocate (documents(0))
    count = 0
    do
      call take('line')
      points = wholes(0, 1114111)
      if (size(points) > 10000) call raise('a line has at most 10000 code points')
      call add_document(documents, count, points)
      if (at_end()) exit
    end do
    documents = documents(:count)
  end function

  subroutine tokens()
    type(list_type), allocatable :: documents(:)
    integer, allocatable :: points(:)
    integer :: i
    documents = dataset()
    points = encode(documents)
    call put('documents', size(documents))
    call put('vocabulary', points)
    call put('bos', size(points))
    do i = 1, size(documents)
      call put('encoded', documents(i)%item)
    end do
  end subroutine

  subroutine graph()
    integer, allocatable :: made(:)
    integer :: count, root, i
    allocate (made(64), source=0)
    count = 0
    call cut(0)
    call take_math()
    do while (.not. next_is('root') .and. .not. failed())
      if (count == size(made)) made = [made, made]
      root = expression(take_key(), made(:count))
      count = count + 1
      made(count) = root
    end do
    root = integer_of('root', 0, count - 1) + 1
    if (failed()) return
    call backward(made(root))
    do i = 1, count
      call put('value', value(made(i)))
    end do
    do i = 1, count
      call put('gradient', gradient(made(i)))
    end do
  end subroutine

  !> The node of an expression over those already made.
  integer function expression(key, made) result(e)
    character(*), intent(in) :: key
    integer, intent(in) :: made(0:)
    real(dp) :: c
    integer :: a, b
    e = 0
    if (key == 'leaf') e = leaf(double())
    if (key == 'number_sub' .or. key == 'number_div') c = double()
    if (key /= 'leaf') a = operand()
    if (any(key == ['add', 'sub', 'mul', 'div'])) b = operand()
    if (len(key) == 10 .and. index(key, '_number') == 4) c = double()
    if (key == 'pow') c = exponent_up_to(1024.0_dp)
    if (failed()) return
    select case (key)
    case ('leaf')
    case ('add'); e = add(a, b)
    case ('sub'); e = add(a, scaled(b, -1.0_dp))
    case ('mul'); e = mul(a, b)
    case ('div'); e = mul(a, pow(b, -1.0_dp))
    case ('neg'); e = scaled(a, -1.0_dp)
    case ('exp'); e = exponential(a)
    case ('log'); e = ln(a)
    case ('relu'); e = relu(a)
    case ('pow'); e = pow(a, c)
    case ('add_number'); e = shifted(a, c)
    case ('sub_number'); e = shifted(a, -c)
    case ('mul_number'); e = scaled(a, c)
    case ('div_number'); e = scaled(a, 1.0_dp / c)
    case ('number_sub'); e = shifted(scaled(a, -1.0_dp), c)
    case ('number_div'); e = scaled(pow(a, -1.0_dp), c)
    case ('sum')
      e = shifted(a, 0.0_dp)
      do while (has_more())
        b = operand()
        if (.not. failed()) e = add(e, b)
      end do
    case default; call raise('expected another key')
    end select
  contains
    integer function operand()
      integer :: number
      if (size(made) == 0) call raise('the first expression must be a leaf')
      number = int(whole(0_int64, size(made) - 1_int64))
      if (.not. failed()) operand = made(number)
    end function
  end function

  logical function increases(list)
    integer, intent(in) :: list(:)
    increases = all(list(2:) > list(:size(list) - 1))
  end function

  !> The lines with which all requests for a model begin.
  subroutine take_shape()
    integer :: t
    call take_math()
    layers = integer_of('layers', 1, 16)
    heads = integer_of('heads', 1, 64)
    embedding = integer_of('embedding', 1, 512)
    if (mod(embedding, heads) /= 0) call raise('embedding must be a multiple of heads')
    block = integer_of('block', 1, 1024)
    vocabulary = integer_of('vocabulary', 2, 2048)
    is_squared = choice_of('activation', 'relu', 'squared_relu')
    is_traced = .false.
    if (allocated(attend)) deallocate (attend)
    allocate (attend(block))
    do t = 1, block
      call take('attend')
      attend(t)%item = wholes(0, t - 1)
      if (count(attend(t)%item == t - 1) == 0 .or. .not. increases(attend(t)%item)) &
        call raise('attend must increase and end with its own position')
    end do
    call make_matrices()
  end subroutine

  function document()
    integer, allocatable :: document(:)
    call take('tokens')
    document = wholes(0, vocabulary - 1)
    if (size(document) < 2) call raise('tokens takes two or more')
  end function

  !> Numbers for all matrices of the model.
  function matrices(prefix) result(x)
    character(*), intent(in) :: prefix
    real(dp), allocatable :: x(:)
    integer :: i, rows, columns
    allocate (x(parameters))
    do i = 1, size(matrix)
      rows = size(matrix(i)%node, 2)
      columns = size(matrix(i)%node, 1)
      x(matrix(i)%node(1, 1):matrix(i)%node(columns, rows)) = tensor(prefix // trim(matrix(i)%name), rows, columns)
    end do
  end function

  subroutine put_matrices(prefix, x)
    character(*), intent(in) :: prefix
    real(dp), intent(in) :: x(:)
    integer :: i
    do i = 1, size(matrix)
      associate (node => matrix(i)%node)
        call put_tensor(prefix // trim(matrix(i)%name), size(node, 2), x(node(1, 1):node(1, 1) + size(node) - 1))
      end associate
    end do
  end subroutine

  subroutine forward()
    integer, allocatable :: tokens(:)
    integer :: root
    call take_shape()
    tokens = document()
    call start(matrices(''))
    if (failed()) return
    is_traced = .true.
    root = loss(tokens)
    call put('loss', value(root))
  end subroutine

  subroutine backward_verb()
    integer, allocatable :: tokens(:)
    integer :: root
    call take_shape()
    tokens = document()
    call start(matrices(''))
    if (failed()) return
    root = loss(tokens)
    call backward(root)
    call put('loss', value(root))
    call put_matrices('', gradient)
  end subroutine

  type(adam_type) function take_adam() result(adam)
    adam%learning_rate = double_of_key('learning_rate')
    adam%beta1 = double_of_key('beta1')
    adam%beta2 = double_of_key('beta2')
    adam%epsilon = double_of_key('epsilon')
    adam%is_cosine = choice_of('schedule', 'linear', 'cosine')
    adam%steps = integer_of('steps', 1, 4096)
  end function

  subroutine adam_verb()
    type(adam_type) :: adam
    integer :: step, rows, columns
    real(dp), allocatable :: p(:), g(:), m(:), v(:)
    real(dp) :: factors(3)
    call take_math()
    adam = take_adam()
    step = integer_of('step', 0, adam%steps - 1)
    rows = 0
    columns = 0
    p = tensor('parameters', rows, columns)
    g = tensor('gradients', rows, columns)
    m = tensor('m', rows, columns)
    v = tensor('v', rows, columns)
    if (failed()) return
    call update(adam, step, p, g, m, v)
    factors = rates(adam, step)
    call put('rate', factors(1))
    call put('correction1', factors(2))
    call put('correction2', factors(3))
    call put_tensor('m', rows, m)
    call put_tensor('v', rows, v)
    call put_tensor('parameters', rows, p)
  end subroutine

  subroutine train_verb()
    type(adam_type) :: adam
    type(list_type), allocatable :: documents(:)
    integer, allocatable :: full(:)
    integer :: first, last, step, count
    call take_shape()
    adam = take_adam()
    first = integer_of('from', 0, adam%steps - 1)
    last = first + integer_of('count', 1, adam%steps - first) - 1
    call take('full')
    full = wholes(first, last)
    if (.not. increases(full)) call raise('the steps of full must increase')
    allocate (documents(64))
    count = 0
    do while (count == 0 .or. next_is('tokens'))
      if (count == size(documents)) documents = [documents, documents]
      count = count + 1
      documents(count)%item = document()
    end do
    call start(matrices(''))
    if (first > 0) m = matrices('m.')
    if (first > 0) v = matrices('v.')
    if (failed()) return
    do step = first, last
      call put('step', step)
      call put('loss', train(adam, step, documents(mod(step, count) + 1)%item))
      call put_checksum('gradients', gradient(:parameters))
      call put_checksum('m', m)
      call put_checksum('v', v)
      call put_checksum('parameters', value(:parameters))
      if (.not. any(full == step)) cycle
      call put_matrices('gradients.', gradient)
      call put_matrices('m.', m)
      call put_matrices('v.', v)
      call put_matrices('parameters.', value)
    end do
  end subroutine

  subroutine sample()
    character(:), allocatable :: unused
    real(dp), allocatable :: probabilities(:)
    real(dp) :: temperature
    integer :: samples, i, t, token
    call take_shape()
    temperature = double_of_key('temperature')
    samples = integer_of('samples', 0, 1000)
    call start(matrices(''))
    place = integer_of('state', 0, 624)
    words = [(whole(0_int64, greatest_word), i = 1, 624)]
    call take('kept')
    has_kept = .not. next_is('none', ' ')
    if (has_kept) kept = double()
    if (.not. has_kept) unused = word()
    if (failed()) return
    do i = 0, samples - 1
      call put('sample', i)
      token = vocabulary - 1
      do t = 1, block
        probabilities = predict(t, token, temperature)
        token = choice(probabilities)
        if (failed()) return
        call put('probabilities', probabilities)
        call put('token', token)
        if (token == vocabulary - 1) exit
      end do
    end do
    call put('word', [next_word()])
  end subroutine

  subroutine run_verb()
    type(list_type), allocatable :: documents(:)
    integer :: steps, samples
    logical :: is_classic
    call take_math()
    is_classic = choice_of('preset', 'seed', 'classic')
    steps = integer_of('steps', 1, 4096)
    samples = integer_of('samples', 0, 1000)
    documents = dataset()
    if (failed()) return
    call run(.not. is_classic, steps, samples, documents, put_line)
    if (failed()) return
    call put_checksum('parameters', value(:parameters))
    call put_checksum('m', m)
    call put_checksum('v', v)
    call put('word', [next_word()])
  end subroutine

  subroutine put_line(text, points)
    character(*), intent(in) :: text
    integer, intent(in) :: points(:)
    call put_text('print', text, points)
  end subroutine

  subroutine run_preset(name)
    character(*), intent(in) :: name
    type(list_type), allocatable :: documents(:)
    integer, allocatable :: points(:)
    character(:), allocatable :: text
    integer :: count
    allocate (documents(0))
    count = 0
    do while (read_line(text))
      points = decoded(text)
      if (encoded(points) /= text .or. len(encoded(points)) /= len(text)) call raise('the input is not UTF-8')
      call add_document(documents, count, points)
      if (failed()) return
    end do
    documents = documents(:count)
    call run(name == 'seed', merge(500, 1000, name == 'seed'), 20, documents, print_line)
  end subroutine

  !> The code points of UTF-8. Of what is not, it makes some that are written otherwise.
  function decoded(text) result(points)
    character(*), intent(in) :: text
    integer, allocatable :: points(:)
    integer :: i, count, byte
    allocate (points(len(text)))
    count = 0
    do i = 1, len(text)
      byte = iachar(text(i:i))
      if (shiftr(byte, 6) == 2 .and. count > 0) then
        points(count) = ior(shiftl(points(count), 6), ibits(byte, 0, 6))
      else
        count = count + 1
        if (byte >= 192) byte = ibits(byte, 0, 2 + findloc(byte >= [240, 224, 192], .true., dim=1))
        points(count) = byte
      end if
    end do
    points = points(:count)
  end function

  function encoded(points) result(text)
    integer, intent(in) :: points(:)
    character(:), allocatable :: text
    integer :: i, k, more, used
    allocate (character(4 * size(points)) :: text)
    used = 0
    do i = 1, size(points)
      more = count(points(i) >= [128, 2048, 65536])
      used = used + 1
      text(used:used) = achar(ior(shiftr(points(i), 6 * more), merge(0, iand(shiftr(65280, more + 1), 255), more == 0)))
      do k = more - 1, 0, -1
        used = used + 1
        text(used:used) = achar(128 + ibits(points(i), 6 * k, 6))
      end do
    end do
    text = text(:used)
  end function

  subroutine print_line(text, points)
    character(*), intent(in) :: text
    integer, intent(in) :: points(:)
    call send(text // encoded(points))
  end subroutine
end module

program microgpt
  use, intrinsic :: iso_fortran_env, only: error_unit
  use protocol, only: failed, problem, raise
  use verbs
  implicit none
  character(16) :: word, name
  name = 'seed'
  call get_command_argument(1, word)
  if (command_argument_count() == 2) call get_command_argument(2, name)
  if (command_argument_count() == 0) then
    call answer_requests()
  else if (command_argument_count() <= 2 .and. word == 'run' .and. (name == 'seed' .or. name == 'classic')) then
    call run_preset(trim(name))
  else
    call raise('usage: microgpt [run [seed|classic] < names.txt]')
  end if
  if (failed() .and. command_argument_count() > 0) then
    write (error_unit, '(a)') 'microgpt: ' // problem
    stop 1, quiet=.true.
  end if
end program
