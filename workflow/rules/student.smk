# A cell's job trains all its seeds and grid points, and takes up where it stopped. Small cells
# share a job, and of large ones each seed has a job: JOBS says which. With `exec` a signal that
# ends a job reaches the program, which then saves its state.


rule seed:
    input:
        unpack(lambda w: PATHS.cell_inputs(w.cell)),
        audit=ancient(PATHS.audit),
    output:
        PATHS.seed("{cell}", "{seed}"),
    log:
        LOGS / "seed/{cell}.seed{seed}.log",
    benchmark:
        BENCHMARKS / "seed/{cell}.seed{seed}.tsv"
    wildcard_constraints:
        seed="[0-9]+",
    priority: lambda w: JOBS.priority("seed", f"{w.cell}.seed{w.seed}")
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.seed_spec(w.cell, int(w.seed)),
    message:
        "train seed {wildcards.seed} of {wildcards.cell}"
    shell:
        "exec pdbench cell {params.study:q} {wildcards.cell} --seed {wildcards.seed}"
        " --threads {threads} > {log} 2>&1"


# What the jobs of its seeds have trained, a cell's job finds done.
rule cell:
    input:
        unpack(lambda w: PATHS.cell_inputs(w.cell)),
        seeds=lambda w: JOBS.seed_files(w.cell),
        audit=ancient(PATHS.audit),
    output:
        PATHS.cell("{cell}") / "cell.json",
    log:
        LOGS / "cell/{cell}.log",
    benchmark:
        BENCHMARKS / "cell/{cell}.tsv"
    priority: lambda w: JOBS.priority("cell", w.cell)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.cell_spec(w.cell),
    message:
        "train {wildcards.cell}"
    shell:
        "exec pdbench cell {params.study:q} {wildcards.cell} --threads {threads} > {log} 2>&1"


rule bundle:
    input:
        lambda w: JOBS.bundle_inputs(w.bundle),
        audit=ancient(PATHS.audit),
    output:
        PATHS.bundle("{bundle}"),
    log:
        LOGS / "bundle/{bundle}.log",
    benchmark:
        BENCHMARKS / "bundle/{bundle}.tsv"
    priority: lambda w: JOBS.priority("bundle", w.bundle)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.bundle_spec(w.bundle),
        cells=lambda w: JOBS.bundles[w.bundle].cells,
        title=lambda w: JOBS.bundles[w.bundle].title,
    message:
        "train {params.title}"
    shell:
        "exec pdbench cells {params.study:q} {params.cells} --then {output}"
        " --threads {threads} > {log} 2>&1"


rule latency:
    input:
        PATHS.teacher_archives,
    output:
        PATHS.latency,
    log:
        LOGS / "latency.log",
    benchmark:
        BENCHMARKS / "latency.tsv"
    priority: JOBS.priority("latency")
    conda:
        "../envs/pdbench.yaml"
    # Nothing may run beside a measurement of time.
    threads: os.cpu_count()
    params:
        study=ARGUMENT,
        spec=JOBS.latency_spec(),
    message:
        "time every size"
    shell:
        "pdbench latency {params.study:q} > {log} 2>&1"
